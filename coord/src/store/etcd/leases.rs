//! Leases: one transaction to enter, one to renew, one to leave.
//!
//! A contender's key is there as long as its lease of etcd's lasts. It has entered with the revision that created the
//! key, which is its place, and with a base its token. To release is to delete the key, and to leave a stone: a
//! request to enter that comes after it finds the stone, and a release that comes again as well.
//!
//! etcd keeps what it knows of a deleted key until its history is compacted, which may be never, and looks at it in each
//! look at the line. So keys are used again: an owner has [three](keys::places), of which many owners share the first, and takes
//! the first that is free. Whoever enters compares all three with what it knows of the line: the owner has not entered
//! before at any of them. And a contender is told from others at its key by the revision that created it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};

use super::line::{self, Line, Member, Place};
use super::lines::Lines;
use super::link::{self, Link};
use super::spots::Spot;
use super::wire::{self, Compare, TxnRequest};
use super::{TRIES, failure, grants, keys};
use crate::error::StoreErrorKind;
use crate::store::{
    Acquired, Contender, FencingToken, LeaseId, LeaseRequest, OwnerId, Renewal, Renewed, Result,
};

/// How many in a line can be given later tokens at once; a server takes 128 operations in a transaction.
const RAISED_AT_MOST: usize = 120;
const RELEASED: &[u8] = b"1";
const NEVER_ENTERED: &[u8] = b"0";

pub(super) async fn acquire(link: &Arc<Link>, request: &LeaseRequest) -> Result<Acquired> {
    let mut is_in_line = false;
    let acquired = come_into_line(link, request, &mut is_in_line).await;
    acquired.map_err(|error| {
        if is_in_line {
            error.of_kind(StoreErrorKind::Unknown)
        } else {
            error
        }
    })
}

/// Tells also whether it has come into the line, when something fails after that.
async fn come_into_line(
    link: &Arc<Link>,
    request: &LeaseRequest,
    is_in_line: &mut bool,
) -> Result<Acquired> {
    let path = link.address.root.line(&request.lease.resource);
    let owner = request.lease.owner;
    // With nobody who has entered after it, it can be entered by those who do not wait.
    let mut seen = Line::default();
    for _ in 0..TRIES {
        let (line, leases) = match enter(link, &path, request, &seen).await? {
            Entered::Line(line, leases) => (line, leases),
            Entered::BaseWasRaised => continue,
            Entered::WasReleased => return Ok(Acquired::Busy),
        };
        let (Some(place), Some(member)) = (line.place(owner), line.member(owner)) else {
            if request.wait_ttl.is_some() || line.would_grant(request.weight, request.capacity) {
                seen = line;
                continue;
            }
            return Ok(Acquired::Busy);
        };
        *is_in_line = true;
        link.spots.keep(&path, member);
        let mut is_done = leases.is_some_and(|[holding, waiting]| {
            member.lease == if place.granted { holding } else { waiting }
        });
        if let Some(floor) = request.token_floor.filter(|floor| place.token < *floor) {
            if !raise(link, &path, request, floor).await? {
                continue;
            }
            is_done = false;
        }
        let line = if is_done {
            line
        } else {
            // It was in line before: from now on it lasts as it should.
            let wait_ttl = request.wait_ttl.unwrap_or(request.ttl);
            let ttl = if place.granted { request.ttl } else { wait_ttl };
            match extend(link, "acquire", &path, &request.lease, ttl).await? {
                Some(line) => line,
                None => continue,
            }
        };
        let Some(now) = line.place(owner) else {
            continue;
        };
        if now.granted && !place.granted {
            continue;
        }
        return Ok(if now.granted {
            Acquired::Granted(now.token)
        } else {
            Acquired::Waiting {
                token: now.token,
                ahead: now.ahead,
                look_again_in: look_again_in(link, &line, now),
                wake: Lines::wait(link, &path, owner, line),
            }
        });
    }
    Err(failure::of_contention("acquire"))
}

enum Entered {
    /// It is in line, or cannot be: it would have to wait, and does not.
    /// If it has entered just now, with one of these leases: as a holder, or as one who waits.
    Line(Line, Option<[i64; 2]>),
    BaseWasRaised,
    WasReleased,
}

/// That the owner, who is not in the line as it was `seen`, has not come into it since.
fn has_not_come(path: &str, owner: OwnerId, seen: &Line) -> Vec<Compare> {
    let is_as_seen = |place: &String| match seen.at(place) {
        Some(other) => Compare::created_at(place, other.created),
        None => Compare::absent(place),
    };
    keys::places(path, owner).iter().map(is_as_seen).collect()
}

/// Enters the line, where one may. Whoever does not wait enters only if nobody is in it, or nobody has come since it was `seen`.
async fn enter(link: &Link, path: &str, request: &LeaseRequest, seen: &Line) -> Result<Entered> {
    let root = &link.address.root;
    let (owner, stone) = (request.lease.owner, root.stone(&request.lease));
    let [first, second, last] = keys::places(path, owner);
    let mut free = [first, second].into_iter();
    let key = free.find(|place| seen.at(place).is_none()).unwrap_or(last);
    let known = link.base();
    let floor = request.token_floor.map_or(0, u64::from);
    let base = floor
        .saturating_sub(link.last_revision().saturating_add(1))
        .max(known);
    let (base_key, content) = (root.base(), line::content_of(base, request));
    let wait_ttl = request.wait_ttl.unwrap_or(request.ttl);
    let ttls = [Some(request.ttl), Some(wait_ttl)];
    let txn = |[holding, waiting]: [i64; 2]| {
        let mut compare = has_not_come(path, owner, seen);
        compare.extend([
            Compare::absent(&stone),
            Compare::value_is(&base_key, Bytes::copy_from_slice(&known.to_be_bytes())),
        ]);
        let enter = if request.wait_ttl.is_none() {
            compare.push(Compare::none_created_after(path, seen.revision));
            wire::put(&key, content.clone(), holding)
        } else if wait_ttl == request.ttl {
            wire::put(&key, content.clone(), holding)
        } else {
            wire::nested(TxnRequest {
                compare: vec![Compare::none_created_after(path, 0)],
                success: vec![wire::put(&key, content.clone(), holding)],
                failure: vec![wire::put(&key, content.clone(), waiting)],
            })
        };
        let mut success = vec![enter];
        if base != known {
            success.push(wire::put(&base_key, base.to_be_bytes().to_vec(), 0));
        }
        let line = wire::read(wire::in_order_of_creation(path));
        success.push(line.clone());
        TxnRequest {
            compare,
            success,
            failure: vec![
                line,
                wire::read(wire::range(&stone)),
                wire::read(wire::range(&base_key)),
            ],
        }
    };
    let (answer, leases) = grants::txn(link, "acquire", ttls, txn).await?;
    let (revision, succeeded) = (answer.revision(), answer.succeeded);
    let mut read = answer.ranges();
    let line = Line::parse("acquire", path, read.next().unwrap_or_default(), revision)?;
    if succeeded {
        if base != known {
            link.set_base(base);
        }
        return Ok(Entered::Line(line, Some(leases)));
    }
    if read.next().is_some_and(|stone| !stone.is_empty()) {
        return Ok(Entered::WasReleased);
    }
    let stored = read.next().unwrap_or_default();
    match stored.first().map(|stored| link::parse_base(&stored.value)) {
        Some(Some(stored)) if stored == known => Ok(Entered::Line(line, None)),
        Some(Some(stored)) => {
            link.set_base(stored);
            Ok(Entered::BaseWasRaised)
        }
        Some(None) => Err(failure::of_reply("acquire")),
        // The servers have lost everything.
        None => {
            link.find_base().await?;
            Ok(Entered::BaseWasRaised)
        }
    }
}

/// Gives one in line a token that is not below the floor, and those who wait behind it later ones. `false`: somebody else
/// was faster, or has come meanwhile.
async fn raise(
    link: &Link,
    path: &str,
    request: &LeaseRequest,
    floor: FencingToken,
) -> Result<bool> {
    // That it goes tells those who wait, who are not told of what is only put.
    let mark = keys::mark(path, rand::random());
    let marking = |[lease]: [i64; 1]| TxnRequest {
        success: vec![
            wire::put(&mark, Bytes::new(), lease),
            wire::read(wire::in_order_of_creation(path)),
        ],
        ..TxnRequest::default()
    };
    let (answer, _) = grants::txn(link, "acquire", [Some(grants::MEMORY)], marking).await?;
    let revision = answer.revision();
    let read = answer.ranges().next().unwrap_or_default();
    let line = Line::parse("acquire", path, read, revision)?;
    let granted = line.granted();
    let own = |member: &Member| member.owner == request.lease.owner;
    let Some(at) = line.members.iter().position(own) else {
        return Ok(false);
    };
    let raised: Vec<_> = (at..line.members.len())
        .filter(|index| *index == at || *index >= granted)
        .map(|index| &line.members[index])
        .collect();
    if raised.len() > RAISED_AT_MOST {
        return Err(failure::of_contention("acquire"));
    }
    let last = raised.iter().map(|member| member.base).max().unwrap_or(0);
    let known = link.base();
    let created = u64::try_from(line.members[at].created).unwrap_or(0);
    let needed = u64::from(floor).saturating_sub(created);
    let base = needed.max(known).max(last);
    let base_key = link.address.root.base();
    let mut compare: Vec<_> = raised
        .iter()
        .map(|member| Compare::modified_at(&member.key, member.modified))
        .collect();
    compare.extend([
        // Who has come since would keep a token that is not later.
        Compare::none_created_after(path, revision),
        Compare::value_is(&base_key, Bytes::copy_from_slice(&known.to_be_bytes())),
    ]);
    let mut success: Vec<_> = raised
        .iter()
        .map(|member| {
            let member = Member {
                base,
                ..(*member).clone()
            };
            wire::put_value(&member.key, member.content())
        })
        .collect();
    success.push(wire::delete(&mark));
    success.push(wire::put(&base_key, base.to_be_bytes().to_vec(), 0));
    let txn = TxnRequest {
        compare,
        success,
        failure: vec![wire::delete(&mark)],
    };
    let answer = link.txn("acquire", &txn).await;
    let answer = answer.map_err(|failed| failed.into_error("acquire"))?;
    if answer.succeeded {
        link.set_base(base);
    } else {
        link.find_base().await?;
    }
    Ok(answer.succeeded)
}

/// Lets one in line last for this long, and reads the line. None, if it is not there any more.
async fn extend(
    link: &Link,
    operation: &'static str,
    path: &str,
    lease: &LeaseId,
    ttl: Duration,
) -> Result<Option<Line>> {
    let owner = lease.owner;
    let mut spot = link.spots.get(path, owner);
    for _ in 0..TRIES {
        let (line, is_done) = match &spot {
            Some(spot) => extend_at(link, operation, path, spot, ttl).await?,
            None => (read(link, operation, path).await?, false),
        };
        let Some(member) = line.member(owner) else {
            link.spots.forget(path, owner);
            return Ok(None);
        };
        link.spots.keep(path, member);
        if is_done {
            link.lines.read(path, &line);
            return Ok(Some(line));
        }
        spot = Some(Spot::of(member));
    }
    Err(failure::of_contention(operation))
}

/// Lets who stands here last for this long, if it does. And reads the line.
///
/// What was asked before has to be done before: a copy of it that comes late would attach a lease that ends earlier.
async fn extend_at(
    link: &Link,
    operation: &'static str,
    path: &str,
    spot: &Spot,
    ttl: Duration,
) -> Result<(Line, bool)> {
    let read = wire::read(wire::in_order_of_creation(path));
    let txn = |[lease]: [i64; 1]| TxnRequest {
        compare: vec![Compare::modified_at(&spot.key, spot.modified)],
        success: vec![wire::put_lease(&spot.key, lease), read.clone()],
        failure: vec![read.clone()],
    };
    let (answer, [lease]) = grants::txn(link, operation, [Some(ttl)], txn).await?;
    let (revision, succeeded) = (answer.revision(), answer.succeeded);
    let read = answer.ranges().next().unwrap_or_default();
    let line = Line::parse(operation, path, read, revision)?;
    let has_lease = |member: &Member| member.created == spot.created && member.lease == lease;
    // It may have been sent again, and done before.
    let is_done = succeeded || line.at(&spot.key).is_some_and(has_lease);
    Ok((line, is_done))
}

async fn read(link: &Link, operation: &'static str, path: &str) -> Result<Line> {
    let asked = wire::in_order_of_creation(path);
    let read = link.range(operation, &asked).await?;
    Line::parse(operation, path, read.kvs, 0)
}

/// All at the same time. Those beyond the limits are refused by themselves.
pub(super) async fn renew(link: &Link, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
    join_all(renewals.iter().map(|renewal| renew_one(link, renewal))).await
}

async fn renew_one(link: &Link, renewal: &Renewal) -> Result<Renewed> {
    renewal.check()?;
    let path = link.address.root.line(&renewal.lease.resource);
    let owner = renewal.lease.owner;
    let mut holds = !link.lines.waits(&path, owner);
    loop {
        let ttl = if holds { renewal.ttl } else { renewal.wait_ttl };
        let line = extend(link, "renew", &path, &renewal.lease, ttl).await?;
        let Some(line) = line else {
            return Ok(Renewed::Gone);
        };
        let Some(place) = line.place(owner) else {
            return Ok(Renewed::Gone);
        };
        // It was taken for the other.
        if place.granted != holds && renewal.ttl != renewal.wait_ttl {
            holds = place.granted;
            continue;
        }
        return Ok(renewed(link, &line, place));
    }
}

/// Only who is next in line need look when a holder's time is over; and even then is told of it, mostly.
fn look_again_in(link: &Link, line: &Line, place: Place) -> Option<Duration> {
    let holders = &line.members[..line.granted()];
    let left = |member: &Member| grants::known_left(link, member.lease).unwrap_or(member.ttl);
    (place.ahead as usize == holders.len())
        .then(|| holders.iter().map(left).min())
        .flatten()
}

fn renewed(link: &Link, line: &Line, place: Place) -> Renewed {
    if place.granted {
        Renewed::Granted(place.token)
    } else {
        Renewed::Waiting {
            ahead: place.ahead,
            look_again_in: look_again_in(link, line, place),
        }
    }
}

pub(super) async fn release(link: &Link, lease: &LeaseId) -> Result<bool> {
    let path = link.address.root.line(&lease.resource);
    let stone = link.address.root.stone(lease);
    let mut spot = link.spots.get(&path, lease.owner);
    link.spots.forget(&path, lease.owner);
    let mut line = Line::default();
    for _ in 0..TRIES {
        let txn = |[memory]: [i64; 1]| {
            let (compare, success) = match &spot {
                Some(Spot { key, created, .. }) => (
                    vec![Compare::created_at(key, *created)],
                    vec![wire::delete(key), wire::put(&stone, RELEASED, memory)],
                ),
                None => (
                    has_not_come(&path, lease.owner, &line),
                    vec![wire::put(&stone, NEVER_ENTERED, memory)],
                ),
            };
            let is_first = Compare::absent(&stone);
            TxnRequest {
                compare: compare.into_iter().chain([is_first]).collect(),
                success,
                failure: vec![
                    wire::read(wire::range(&stone)),
                    wire::read(wire::in_order_of_creation(&path)),
                ],
            }
        };
        let (answer, _) = grants::txn(link, "release", [Some(grants::MEMORY)], txn).await?;
        if answer.succeeded {
            return Ok(spot.is_some());
        }
        let revision = answer.revision();
        let mut read = answer.ranges();
        if let Some(stone) = read.next().unwrap_or_default().first() {
            return Ok(stone.value == RELEASED);
        }
        line = Line::parse("release", &path, read.next().unwrap_or_default(), revision)?;
        spot = line.member(lease.owner).map(Spot::of);
    }
    Err(failure::of_contention("release"))
}

pub(super) async fn inspect(link: &Link, resource: &str) -> Result<Vec<Contender>> {
    let path = link.address.root.line(resource);
    let line = read(link, "inspect", &path).await?;
    let granted = line.granted();
    let contenders = line
        .members
        .iter()
        .enumerate()
        .map(async |(index, member)| {
            let left = grants::left(link, "inspect", member.lease).await?;
            Ok(Contender {
                owner: member.owner,
                label: Arc::clone(&member.label),
                token: member.token(),
                weight: member.weight,
                granted: index < granted,
                expires_in: left.unwrap_or(Duration::MAX),
            })
        });
    try_join_all(contenders).await
}
