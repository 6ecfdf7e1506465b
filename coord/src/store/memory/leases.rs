//! Leases in memory.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Watchers;
use super::recent::Recent;
use crate::store::line::{Line, Member, Place};
use crate::store::{
    Acquired, Contender, FencingToken, LeaseId, LeaseRequest, Renewal, Renewed, Wake, WakeSender,
    Watch,
};

/// How many released owners a shard remembers, so that none gets in again and a release sent twice answers
/// the same.
const REMEMBERED_RELEASES: usize = 64;

#[derive(Debug, Default)]
pub(super) struct LeaseShard {
    lines: HashMap<Box<str>, Line<Presence>>,
    released: Recent,
    pub(super) watchers: Watchers,
}

/// What memory keeps of a member.
#[derive(Debug)]
struct Presence {
    deadline: Instant,
    wake: Option<WakeSender>,
}

impl LeaseShard {
    pub(super) fn acquire(
        &mut self,
        request: &LeaseRequest,
        now: Instant,
        next_token: impl FnOnce() -> FencingToken,
    ) -> Acquired {
        let LeaseId { resource, owner } = &request.lease;
        if self.released.contains(owner.to_bits()) {
            return Acquired::Busy;
        }
        self.settle(resource, now);
        if !self.lines.contains_key(&**resource) {
            self.lines.insert((&**resource).into(), Line::default());
        }
        let Some(line) = self.lines.get_mut(&**resource) else {
            return Acquired::Busy;
        };

        let is_in_line = line.place(*owner).is_some();
        if !is_in_line {
            let grants = line.would_grant(request.weight, request.capacity);
            if !grants && request.wait_ttl.is_none() {
                return Acquired::Busy;
            }
            let lasts = if grants {
                request.ttl
            } else {
                request.wait_ttl.unwrap_or(request.ttl)
            };
            line.enter(Member {
                owner: *owner,
                label: request.label.clone(),
                token: next_token(),
                weight: request.weight,
                capacity: request.capacity,
                granted: false,
                extra: Presence {
                    deadline: now + lasts,
                    wake: None,
                },
            });
            if grants {
                self.watchers.wake(resource);
            }
        } else if let Some(floor) = request.token_floor
            && let Some(member) = line.member_mut(*owner)
            && member.token < floor
        {
            member.token = next_token();
        }
        let Some(line) = self.lines.get_mut(&**resource) else {
            return Acquired::Busy;
        };
        match line.place(*owner) {
            Some(Place {
                granted: true,
                token,
                ..
            }) => Acquired::Granted(token),
            Some(place) => {
                let (sender, wake) = Watch::channel();
                if let Some(member) = line.member_mut(*owner) {
                    member.extra.wake = Some(sender);
                }
                Acquired::Waiting {
                    token: place.token,
                    ahead: place.ahead,
                    look_again_in: look_again_in(line, place, now),
                    wake,
                }
            }
            None => Acquired::Busy,
        }
    }

    pub(super) fn renew(&mut self, renewal: &Renewal, now: Instant) -> Renewed {
        let LeaseId { resource, owner } = &renewal.lease;
        self.settle(resource, now);
        let Some(line) = self.lines.get_mut(&**resource) else {
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
        let owner = lease.owner;
        if self.released.contains(owner.to_bits()) {
            return true;
        }
        self.settle(&lease.resource, now);
        let was_there = self
            .lines
            .get_mut(&*lease.resource)
            .is_some_and(|line| line.remove_where(|member| member.owner == owner));
        self.released.remember(owner.to_bits(), REMEMBERED_RELEASES);
        if was_there {
            self.hand_over(&lease.resource);
            self.watchers.wake(&lease.resource);
        }
        was_there
    }

    pub(super) fn inspect(&mut self, resource: &str, now: Instant) -> Vec<Contender> {
        self.settle(resource, now);
        let Some(line) = self.lines.get(resource) else {
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

    /// Removes who has expired, and hands over.
    fn settle(&mut self, resource: &str, now: Instant) {
        let Some(line) = self.lines.get_mut(resource) else {
            return;
        };
        if line.remove_where(|member| member.extra.deadline <= now) {
            self.hand_over(resource);
            self.watchers.wake(resource);
        }
    }

    fn hand_over(&mut self, resource: &str) {
        let Some(line) = self.lines.get_mut(resource) else {
            return;
        };
        line.grant(|member| {
            if let Some(wake) = &member.extra.wake {
                wake.wake(Wake::Granted(member.token));
            }
        });
        if line.is_empty() {
            self.lines.remove(resource);
        }
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
