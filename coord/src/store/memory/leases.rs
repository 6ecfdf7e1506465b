//! Leases in memory.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use rapidhash::fast::RapidHashMap;
use tokio::time::Instant;

use super::Watchers;
use crate::store::line::{Line, Member, Place};
use crate::store::released::Released;
use crate::store::{
    Acquired, Contender, FencingToken, LeaseId, LeaseRequest, Renewal, Renewed, Wake, WakeSender,
    Watch,
};

/// How many contenders that have left each shard remembers; it shows only beyond some hundred releases a second.
const REMEMBERED: usize = 512;
/// With how many lines a shard is swept first.
const FIRST_SWEEP: usize = 16;

#[derive(Debug)]
pub(super) struct LeaseShard {
    /// Lines that end by expiry, and that nobody asks for again, are swept out when the map has doubled.
    lines: RapidHashMap<Arc<str>, Line<Presence>>,
    sweep_at: usize,
    /// The line that emptied last, to be used again.
    spare: Line<Presence>,
    released: Released,
    pub(super) watchers: Watchers,
}

impl Default for LeaseShard {
    fn default() -> Self {
        Self {
            lines: RapidHashMap::default(),
            sweep_at: FIRST_SWEEP,
            spare: Line::default(),
            released: Released::remembering(REMEMBERED),
            watchers: Watchers::default(),
        }
    }
}

/// What memory keeps of a member.
#[derive(Debug)]
struct Presence {
    deadline: Instant,
    /// Several if it has asked again.
    wakes: Vec<WakeSender>,
}

impl LeaseShard {
    pub(super) fn acquire(
        &mut self,
        request: &LeaseRequest,
        now: Instant,
        next_token: impl Fn() -> FencingToken,
    ) -> Acquired {
        let LeaseId { resource, owner } = &request.lease;
        if self.released.answer(&request.lease).is_some() {
            return Acquired::Busy;
        }
        if self.lines.len() >= self.sweep_at {
            self.sweep(now);
        }
        // Whoever opens a line is granted, so none stays that has nobody in it.
        let line = self
            .lines
            .entry(Arc::clone(resource))
            .or_insert_with(|| std::mem::take(&mut self.spare));
        settle(line, now);
        if line.place(*owner).is_none() {
            let grants = line.would_grant(request.weight, request.capacity);
            if !grants && request.wait_ttl.is_none() {
                return Acquired::Busy;
            }
            line.enter(member(request, grants, now, next_token()));
        } else {
            if let Some(floor) = request.token_floor {
                line.raise(*owner, floor, next_token);
            }
            last_as_holder(line, request, now);
        }
        let answer = match line.place(*owner) {
            Some(place) if place.granted => Acquired::Granted(place.token),
            Some(place) => {
                let (sender, wake) = Watch::channel();
                if let Some(member) = line.member_mut(*owner) {
                    member.extra.wakes.retain(WakeSender::is_watched);
                    member.extra.wakes.push(sender);
                }
                Acquired::Waiting {
                    token: place.token,
                    ahead: place.ahead,
                    look_again_in: look_again_in(line, place, now),
                    wake,
                }
            }
            None => Acquired::Busy,
        };
        self.watchers.wake(resource);
        answer
    }

    pub(super) fn renew(&mut self, renewal: &Renewal, now: Instant) -> Renewed {
        let LeaseId { resource, owner } = &renewal.lease;
        let renewed = |line: &mut Line<Presence>| {
            let place = line.place(*owner)?;
            let lasts = if place.granted {
                renewal.ttl
            } else {
                renewal.wait_ttl
            };
            line.member_mut(*owner)?.extra.deadline = now + lasts;
            Some(if place.granted {
                Renewed::Granted(place.token)
            } else {
                Renewed::Waiting {
                    ahead: place.ahead,
                    look_again_in: look_again_in(line, place, now),
                }
            })
        };
        self.in_line(resource, now, renewed)
            .flatten()
            .unwrap_or(Renewed::Gone)
    }

    pub(super) fn release(&mut self, lease: &LeaseId, now: Instant) -> bool {
        if let Some(answer) = self.released.answer(lease) {
            return answer;
        }
        let leave = |line: &mut Line<Presence>| {
            let was_there = line.remove_where(|member| member.owner == lease.owner);
            if was_there {
                hand_over(line);
            }
            was_there
        };
        let was_there = self.in_line(&lease.resource, now, leave).unwrap_or(false);
        self.released.remember(lease, was_there, now);
        was_there
    }

    pub(super) fn inspect(&mut self, resource: &Arc<str>, now: Instant) -> Vec<Contender> {
        let contender = |member: &Member<Presence>| Contender {
            owner: member.owner,
            label: member.label.clone(),
            token: member.token,
            weight: member.weight,
            granted: member.granted,
            expires_in: member.extra.deadline.saturating_duration_since(now),
        };
        self.in_line(resource, now, |line| {
            line.members().map(contender).collect()
        })
        .unwrap_or_default()
    }

    /// The resources that have a line, although perhaps of none but those who have expired.
    pub(super) fn names(&self, prefix: &str) -> Vec<String> {
        self.lines
            .keys()
            .filter(|resource| resource.starts_with(prefix))
            .map(ToString::to_string)
            .collect()
    }

    /// Takes out those who have expired, and the lines that have nobody left.
    fn sweep(&mut self, now: Instant) {
        let watchers = &self.watchers;
        self.lines.retain(|resource, line| {
            if settle(line, now) {
                watchers.wake(resource);
            }
            !line.is_empty()
        });
        self.sweep_at = 2 * self.lines.len() + FIRST_SWEEP;
    }

    /// Does something to the line, without those who have expired, if there is one. Whoever watches it is
    /// told if somebody has left it.
    fn in_line<T>(
        &mut self,
        resource: &Arc<str>,
        now: Instant,
        act: impl FnOnce(&mut Line<Presence>) -> T,
    ) -> Option<T> {
        let Entry::Occupied(mut entry) = self.lines.entry(Arc::clone(resource)) else {
            return None;
        };
        let line = entry.get_mut();
        let before = line.len();
        settle(line, now);
        let done = act(line);
        if line.len() < before {
            self.watchers.wake(resource);
        }
        if line.is_empty() {
            self.spare = entry.remove();
        }
        Some(done)
    }
}

/// One in line that asks again and holds by now was handed over, and has the deadline of one who waits.
fn last_as_holder(line: &mut Line<Presence>, request: &LeaseRequest, now: Instant) {
    if let Some(member) = line.member_mut(request.lease.owner)
        && member.granted
    {
        member.extra.deadline = member.extra.deadline.max(now + request.ttl);
    }
}

/// Removes those who have expired, and hands over. Says whether there were any.
fn settle(line: &mut Line<Presence>, now: Instant) -> bool {
    let expired = line.remove_where(|member| member.extra.deadline <= now);
    if expired {
        hand_over(line);
    }
    expired
}

/// Grants whoever fits after somebody has left.
fn hand_over(line: &mut Line<Presence>) {
    line.grant(|member| {
        for wake in &member.extra.wakes {
            wake.wake(Wake::Granted(member.token));
        }
    });
}

/// A contender whose deadline fits what it gets: the lease, or a place in line.
fn member(
    request: &LeaseRequest,
    grants: bool,
    now: Instant,
    token: FencingToken,
) -> Member<Presence> {
    let lasts = if grants {
        request.ttl
    } else {
        request.wait_ttl.unwrap_or(request.ttl)
    };
    Member {
        owner: request.lease.owner,
        label: request.label.clone(),
        token,
        weight: request.weight,
        capacity: request.capacity,
        granted: false,
        extra: Presence {
            deadline: now + lasts,
            wakes: Vec::new(),
        },
    }
}

/// Only who is next in line need look when a holder expires; the others would find it still waiting.
fn look_again_in(line: &Line<Presence>, place: Place, now: Instant) -> Option<Duration> {
    let expires_in =
        |member: &Member<Presence>| member.extra.deadline.saturating_duration_since(now);
    place
        .is_next
        .then(|| line.earliest_expiry(expires_in))
        .flatten()
}
