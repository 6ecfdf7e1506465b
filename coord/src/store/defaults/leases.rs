//! Leases over records.
//!
//! Each contender has a *presence*: a record of its own whose ttl is its deadline, so that the store's clock
//! decides who is alive. One more record per resource keeps the line: who stands where, who is granted, and
//! the last token. It is read, changed, and written back on condition that nobody else has in between.
//!
//! 1. A presence is written before its contender enters the line. The line is read before the presences are.
//!    So one that is in line without a presence is dead, and whoever comes next takes it out.
//! 2. To release is to turn one's presence into a stone: from that moment the contender counts as dead.
//!    Rewriting the line is cleaning up, and handing over.
//! 3. The line outlasts the presences of those in it: it is written for longer than they last, and again before
//!    one of them is renewed for longer. No write lets it end earlier.
//! 4. The stone stays for a minute. A repeated release finds it and answers the same; a late request to
//!    enter finds it and is turned away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{try_join, try_join_all};

use super::super::line::{Line, Member, Place};
use super::super::{
    Acquired, Condition, Contender, Entry, LeaseId, LeaseRequest, OwnerId, Put, PutRequest,
    Renewal, Renewed, Result, Store, Version, Watch, Watched, limits,
};
use super::stored_line::{self, StoredLine};
use super::{TRIES, in_part, too_busy};

const STONE_LASTS: Duration = Duration::from_secs(60);
/// How many members of a line are looked at together.
const AT_ONCE: usize = 100;

const ALIVE: u8 = b'+';
const RELEASED: &[u8] = b"-1";
const NEVER_ENTERED: &[u8] = b"-0";

/// The record that changes whenever the line does.
pub(in crate::store) fn line_key(resource: &str) -> String {
    stored_line::key(resource)
}

/// The resource whose line is in the record of this key.
pub(in crate::store) fn resource_of(key: &str) -> Option<&str> {
    stored_line::resource_of(key)
}

pub(in crate::store) async fn acquire<S: Store + ?Sized>(
    store: &S,
    request: &LeaseRequest,
) -> Result<Acquired> {
    let mut is_in_line = false;
    let acquired = come_into_line(store, request, &mut is_in_line).await;
    acquired.map_err(|error| if is_in_line { in_part(error) } else { error })
}

/// Tells also whether it has come into the line, when something fails after that.
async fn come_into_line<S: Store + ?Sized>(
    store: &S,
    request: &LeaseRequest,
    is_in_line: &mut bool,
) -> Result<Acquired> {
    request.check()?;
    let LeaseId { resource, owner } = &request.lease;
    // The watch is started before the place is taken, so that no wake-up is missed.
    let watch = async {
        match request.wait_ttl {
            Some(_) => store.watch(&Watched::Record(line_key(resource))).await,
            None => Ok(Watch::polling()),
        }
    };
    let (wake, presence) = try_join(watch, announce(store, request)).await?;
    let Some(presence) = presence else {
        return Ok(Acquired::Busy);
    };
    for _ in 0..TRIES {
        let mut loaded = Loaded::load(store, resource).await?;
        // Somebody may have seen one dead that stands in line already, and be about to take it out.
        loaded.changed |= presence.is_new;
        let place = match loaded.line.place(*owner) {
            Some(_) => loaded.raise_token(request),
            None if request.wait_ttl.is_some()
                || loaded.line.would_grant(request.weight, request.capacity) =>
            {
                loaded.enter(request)
            }
            None => {
                become_stone(store, &request.lease, NEVER_ENTERED).await?;
                return Ok(Acquired::Busy);
            }
        };
        if !loaded.save(store, resource).await? {
            continue;
        }
        let Some(place) = place else { continue };
        *is_in_line = true;
        if !place.granted {
            if !presence.waits(store, request).await? {
                return Ok(Acquired::Busy);
            }
            let look_again_in = loaded.look_again_in(place);
            return Ok(Acquired::Waiting {
                token: place.token,
                ahead: place.ahead,
                look_again_in,
                wake,
            });
        }
        if presence.is_new {
            return Ok(Acquired::Granted(place.token));
        }
        // It was there before, perhaps for a place to wait; it holds, so it lasts as long as that.
        if let Renewed::Granted(token) = renew(store, &request.renewal()).await? {
            return Ok(Acquired::Granted(token));
        }
        return Ok(Acquired::Busy);
    }
    Err(too_busy("acquire"))
}

pub(in crate::store) async fn renew<S: Store + ?Sized>(
    store: &S,
    renewal: &Renewal,
) -> Result<Renewed> {
    renewal.check()?;
    let LeaseId { resource, owner } = &renewal.lease;
    let key = presence_key(resource, *owner);
    for _ in 0..TRIES {
        let Some(presence) = store.get_record(&key).await?.filter(is_alive) else {
            return Ok(Renewed::Gone);
        };
        let mut loaded = Loaded::load(store, resource).await?;
        let place = loaded.line.place(*owner);
        let ttl = if place.is_some_and(|place| place.granted) {
            renewal.ttl
        } else {
            renewal.wait_ttl
        };
        loaded.extend(*owner, ttl);
        if !loaded.save(store, resource).await? {
            continue;
        }
        let Some(place) = place else {
            return Ok(Renewed::Gone);
        };
        let put = PutRequest::new(key.as_str(), presence.value)
            .when(Condition::Version(presence.version))
            .ttl(ttl);
        match store.put_record(&put).await? {
            Put::Stored(_) if place.granted => return Ok(Renewed::Granted(place.token)),
            Put::Stored(_) => {
                return Ok(Renewed::Waiting {
                    ahead: place.ahead,
                    look_again_in: loaded.look_again_in(place),
                });
            }
            // Expired, released, or renewed by another request of the same contender: look again.
            Put::Conflict(_) => {}
        }
    }
    Err(too_busy("renew"))
}

pub(in crate::store) async fn release<S: Store + ?Sized>(
    store: &S,
    lease: &LeaseId,
) -> Result<bool> {
    let was_there = become_stone(store, lease, RELEASED).await?;
    hand_over(store, &lease.resource).await.map_err(in_part)?;
    Ok(was_there)
}

/// Takes the dead out of the line, and grants those who fit then.
async fn hand_over<S: Store + ?Sized>(store: &S, resource: &str) -> Result<()> {
    for _ in 0..TRIES {
        let mut loaded = Loaded::load(store, resource).await?;
        if loaded.save(store, resource).await? {
            return Ok(());
        }
    }
    Err(too_busy("release"))
}

pub(in crate::store) async fn inspect<S: Store + ?Sized>(
    store: &S,
    resource: &str,
) -> Result<Vec<Contender>> {
    limits::check_name("inspect", resource)?;
    let loaded = Loaded::load(store, resource).await?;
    let contender = |member: &Member<Duration>| Contender {
        owner: member.owner,
        label: member.label.clone(),
        token: member.token,
        weight: member.weight,
        granted: member.granted,
        expires_in: member.extra,
    };
    Ok(loaded.line.members().map(contender).collect())
}

/// A contender's presence, as it was when it asked to enter.
struct Presence {
    value: Bytes,
    version: Version,
    is_new: bool,
}

/// Writes the contender's presence, for as long as one who is granted at once holds. `None`: it was released, and may
/// not enter.
async fn announce<S: Store + ?Sized>(
    store: &S,
    request: &LeaseRequest,
) -> Result<Option<Presence>> {
    let key = presence_key(&request.lease.resource, request.lease.owner);
    let mut value = vec![ALIVE];
    value.extend_from_slice(request.label.as_bytes());
    let put = PutRequest::new(key, value)
        .when(Condition::Absent)
        .ttl(request.ttl);
    Ok(match store.put_record(&put).await? {
        Put::Stored(version) => Some(Presence {
            value: put.value,
            version,
            is_new: true,
        }),
        Put::Conflict(there) => there.filter(is_alive).map(|there| Presence {
            value: there.value,
            version: there.version,
            is_new: false,
        }),
    })
}

impl Presence {
    /// Lets it last as long as a place in line. `false`: it was released meanwhile, or has expired.
    async fn waits<S: Store + ?Sized>(&self, store: &S, request: &LeaseRequest) -> Result<bool> {
        let Some(wait_ttl) = request.wait_ttl.filter(|wait_ttl| *wait_ttl != request.ttl) else {
            return Ok(true);
        };
        let key = presence_key(&request.lease.resource, request.lease.owner);
        let put = PutRequest::new(key, self.value.clone())
            .when(Condition::Version(self.version))
            .ttl(wait_ttl);
        Ok(match store.put_record(&put).await? {
            Put::Stored(_) => true,
            // Another copy of the request was faster, or a renewal.
            Put::Conflict(there) => there.is_some_and(|there| is_alive(&there)),
        })
    }
}

/// Turns the contender's presence into a stone, `of_one_alive` if it was alive, and says whether it was
/// released.
async fn become_stone<S: Store + ?Sized>(
    store: &S,
    lease: &LeaseId,
    of_one_alive: &'static [u8],
) -> Result<bool> {
    let key = presence_key(&lease.resource, lease.owner);
    let mut there = store.get_record(&key).await?;
    for _ in 0..TRIES {
        let (stone, condition) = match &there {
            Some(presence) if is_alive(presence) => {
                (of_one_alive, Condition::Version(presence.version))
            }
            Some(stone) => return Ok(stone.value == RELEASED),
            None => (NEVER_ENTERED, Condition::Absent),
        };
        let put = PutRequest::new(key.as_str(), stone)
            .when(condition)
            .ttl(STONE_LASTS);
        match store.put_record(&put).await? {
            Put::Stored(_) => return Ok(stone == RELEASED),
            Put::Conflict(now) => there = now,
        }
    }
    Err(too_busy("release"))
}

/// A line as it was read, without the dead, and with the remaining time of each member.
struct Loaded {
    line: Line<Duration>,
    stored: StoredLine,
    /// Whether it has to be written: it differs from what is stored, or does not stay for long enough.
    changed: bool,
}

impl Loaded {
    async fn load<S: Store + ?Sized>(store: &S, resource: &str) -> Result<Self> {
        let mut stored = StoredLine::read(store, resource).await?;
        let members = std::mem::take(&mut stored.members);
        let present = presences(store, resource, &members).await?;
        let mut changed = false;
        let alive = members.into_iter().filter_map(|mut member| {
            let presence = present.get(&member.owner);
            changed |= presence.is_none();
            let (label, expires_in) = presence?;
            member.label = label.clone();
            Some(Member {
                extra: *expires_in,
                ..member
            })
        });
        let mut line = Line::restore(alive);
        line.grant(|_| changed = true);
        Ok(Self {
            line,
            stored,
            changed,
        })
    }

    fn enter(&mut self, request: &LeaseRequest) -> Option<Place> {
        self.changed = true;
        self.line.enter(Member {
            owner: request.lease.owner,
            label: request.label.clone(),
            token: self.stored.next_token(request.token_floor),
            weight: request.weight,
            capacity: request.capacity,
            granted: false,
            extra: request.ttl.max(request.wait_ttl.unwrap_or_default()),
        });
        self.line.place(request.lease.owner)
    }

    /// Gives one who is in line already a token that is not below the floor.
    fn raise_token(&mut self, request: &LeaseRequest) -> Option<Place> {
        let owner = request.lease.owner;
        if let Some(floor) = request.token_floor {
            let stored = &mut self.stored;
            self.changed |= self
                .line
                .raise(owner, floor, || stored.next_token(Some(floor)));
        }
        self.line.place(owner)
    }

    /// One in line is to last for `ttl` from now on.
    fn extend(&mut self, owner: OwnerId, ttl: Duration) {
        if let Some(member) = self.line.member_mut(owner) {
            member.extra = member.extra.max(ttl);
            self.changed |= !self.stored.outlasts(ttl);
        }
    }

    /// Writes the line back if it has changed. `false`: somebody else was faster, start over.
    async fn save<S: Store + ?Sized>(&mut self, store: &S, resource: &str) -> Result<bool> {
        if !self.changed {
            return Ok(true);
        }
        let saved = self
            .stored
            .write(store, resource, self.line.members())
            .await?;
        self.changed = !saved;
        Ok(saved)
    }

    /// Only who is next in line need look when a holder expires.
    fn look_again_in(&self, place: Place) -> Option<Duration> {
        place
            .is_next
            .then(|| self.line.earliest_expiry(|member| member.extra))
            .flatten()
    }
}

/// What of a line's members is alive: names and remaining times.
async fn presences<S: Store + ?Sized>(
    store: &S,
    resource: &str,
    members: &[Member<Duration>],
) -> Result<HashMap<OwnerId, (Arc<str>, Duration)>> {
    let mut present = HashMap::with_capacity(members.len());
    for few in members.chunks(AT_ONCE) {
        let keys = few
            .iter()
            .map(|member| presence_key(resource, member.owner));
        let entries =
            try_join_all(keys.map(|key| async move { store.get_record(&key).await })).await?;
        for (member, entry) in few.iter().zip(entries) {
            if let Some(entry) = entry.filter(is_alive) {
                let label = String::from_utf8_lossy(&entry.value[1..]).into();
                let expires_in = entry.expires_in.unwrap_or(Duration::MAX);
                present.insert(member.owner, (label, expires_in));
            }
        }
    }
    Ok(present)
}

fn is_alive(presence: &Entry) -> bool {
    presence.value.first() == Some(&ALIVE)
}

fn presence_key(resource: &str, owner: OwnerId) -> String {
    format!("{resource}\u{0}present/{:032x}", owner.to_bits())
}
