//! Leases in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Watchers;
use super::released::Released;
use crate::store::line::{Line, Member, Place};
use crate::store::{
    Acquired, Contender, FencingToken, LeaseId, LeaseRequest, Renewal, Renewed, Wake, WakeSender,
    Watch,
};

#[derive(Debug, Default)]
pub(super) struct LeaseShard {
    lines: HashMap<Arc<str>, Line<Presence>>,
    /// The line that emptied last, to be used again.
    spare: Line<Presence>,
    released: Released,
    pub(super) watchers: Watchers,
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
        let Some(line) = self.settled(resource, now) else {
            return self.open(request, now, next_token());
        };
        if line.place(*owner).is_none() {
            let grants = line.would_grant(request.weight, request.capacity);
            if !grants && request.wait_ttl.is_none() {
                return Acquired::Busy;
            }
            line.enter(member(request, grants, now, next_token()));
        } else if let Some(floor) = request.token_floor {
            line.raise(*owner, floor, next_token);
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

    /// The first contender.
    fn open(&mut self, request: &LeaseRequest, now: Instant, token: FencingToken) -> Acquired {
        let resource = &request.lease.resource;
        let mut line = std::mem::take(&mut self.spare);
        line.enter(member(request, true, now, token));
        self.lines.insert(Arc::clone(resource), line);
        self.watchers.wake(resource);
        Acquired::Granted(token)
    }

    pub(super) fn renew(&mut self, renewal: &Renewal, now: Instant) -> Renewed {
        let LeaseId { resource, owner } = &renewal.lease;
        let Some(line) = self.settled(resource, now) else {
            return Renewed::Gone;
        };
        let Some(place) = line.place(*owner) else {
            return Renewed::Gone;
        };
        if let Some(member) = line.member_mut(*owner) {
            member.extra.deadline = now
                + if place.granted {
                    renewal.ttl
                } else {
                    renewal.wait_ttl
                };
        }
        if place.granted {
            Renewed::Granted(place.token)
        } else {
            Renewed::Waiting {
                ahead: place.ahead,
                look_again_in: look_again_in(line, place, now),
            }
        }
    }

    pub(super) fn release(&mut self, lease: &LeaseId, now: Instant) -> bool {
        if let Some(answer) = self.released.answer(lease) {
            return answer;
        }
        let was_there = self
            .settled(&lease.resource, now)
            .is_some_and(|line| line.remove_where(|member| member.owner == lease.owner));
        self.released.remember(lease, was_there, now);
        if was_there {
            self.hand_over(&lease.resource);
        }
        was_there
    }

    pub(super) fn inspect(&mut self, resource: &str, now: Instant) -> Vec<Contender> {
        let Some(line) = self.settled(resource, now) else {
            return Vec::new();
        };
        line.members()
            .map(|member| Contender {
                owner: member.owner,
                label: member.label.clone(),
                token: member.token,
                weight: member.weight,
                granted: member.granted,
                expires_in: member.extra.deadline.saturating_duration_since(now),
            })
            .collect()
    }

    /// The line without those who have expired, if anybody is left.
    fn settled(&mut self, resource: &str, now: Instant) -> Option<&mut Line<Presence>> {
        let line = self.lines.get_mut(resource)?;
        if line.remove_where(|member| member.extra.deadline <= now) {
            self.hand_over(resource);
        }
        self.lines.get_mut(resource)
    }

    /// Grants whoever fits after somebody has left.
    fn hand_over(&mut self, resource: &str) {
        if let Some(line) = self.lines.get_mut(resource) {
            line.grant(|member| {
                for wake in &member.extra.wakes {
                    wake.wake(Wake::Granted(member.token));
                }
            });
            if line.is_empty()
                && let Some(line) = self.lines.remove(resource)
            {
                self.spare = line;
            }
        }
        self.watchers.wake(resource);
    }
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
