//! Leases: a cell for each line, which is there as long as somebody is in it.
//!
//! Who has written a line knows it until somebody else has, so most writes are made without reading first. A write
//! that is refused has read what there is along with it. What is answered without a write was read after it was asked.

use std::sync::Arc;

use futures_util::future::join_all;

use super::clock::until;
use super::line::{Fence, Loaded, parse, watching};
use super::link::{self, Link};
use super::stored_line::Deadline;
use super::{TRIES, failure};
use crate::store::line::Member;
use crate::store::{Acquired, Contender, LeaseId, LeaseRequest, Renewal, Renewed, Result};

pub(super) async fn acquire(link: &Arc<Link>, request: &LeaseRequest) -> Result<Acquired> {
    let path = link.address.root.line(&request.lease.resource);
    // It listens before it is in line, so no grant is missed.
    let wake = request
        .wait_ttl
        .map(|_| link.lines.wait(link, &path, request.lease.owner));
    let _turn = link.lines.turn(&path, link.response_timeout).await?;
    if link.lines.left(&request.lease).is_some() {
        return Ok(Acquired::Busy);
    }
    let owner = request.lease.owner;
    let mut loaded = Loaded::known(link, &path).await?.unwrap_or_default();
    for _ in 0..TRIES {
        let base = link.base().await?;
        let raised = match loaded.line.place(owner) {
            Some(_) => loaded.raise_token(link, request),
            None if request.wait_ttl.is_some()
                || loaded.line.would_grant(request.weight, request.capacity) =>
            {
                loaded.enter(request);
                let floor = request.token_floor.map_or(0, u64::from);
                floor.checked_sub(link.last_transaction())
            }
            None if loaded.is_read => return Ok(Acquired::Busy),
            None => {
                loaded = Loaded::read(link, "acquire", &path).await?;
                continue;
            }
        };
        loaded.extend(owner, request.ttl, request.wait_ttl.unwrap_or(request.ttl));
        let raised = raised.filter(|raised| *raised > base);
        let fence = Fence { base, raised };
        if !loaded.save(link, "acquire", &path, Some(fence)).await? {
            continue;
        }
        return Ok(match (loaded.line.place(owner), wake) {
            (Some(place), _) if place.granted => Acquired::Granted(place.token),
            (Some(place), Some(wake)) => Acquired::Waiting {
                token: place.token,
                ahead: place.ahead,
                look_again_in: loaded.look_again_in(place),
                wake,
            },
            _ => Acquired::Busy,
        });
    }
    Err(failure::of_contention("acquire"))
}

/// All at once. Those beyond the limits are refused by themselves.
pub(super) async fn renew(link: &Link, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
    join_all(renewals.iter().map(|renewal| renew_one(link, renewal))).await
}

async fn renew_one(link: &Link, renewal: &Renewal) -> Result<Renewed> {
    renewal.check()?;
    let path = link.address.root.line(&renewal.lease.resource);
    let owner = renewal.lease.owner;
    let _turn = link.lines.turn(&path, link.response_timeout).await?;
    if link.lines.left(&renewal.lease).is_some() {
        return Ok(Renewed::Gone);
    }
    let mut loaded = Loaded::known(link, &path).await?.unwrap_or_default();
    for _ in 0..TRIES {
        if loaded.line.place(owner).is_none() {
            if loaded.is_read {
                return Ok(Renewed::Gone);
            }
            loaded = Loaded::read(link, "renew", &path).await?;
            continue;
        }
        loaded.extend(owner, renewal.ttl, renewal.wait_ttl);
        if !loaded.save(link, "renew", &path, None).await? {
            continue;
        }
        return Ok(match loaded.line.place(owner) {
            Some(place) if place.granted => Renewed::Granted(place.token),
            Some(place) => Renewed::Waiting {
                ahead: place.ahead,
                look_again_in: loaded.look_again_in(place),
            },
            None => Renewed::Gone,
        });
    }
    Err(failure::of_contention("renew"))
}

pub(super) async fn release(link: &Link, lease: &LeaseId) -> Result<bool> {
    let path = link.address.root.line(&lease.resource);
    let _turn = link.lines.turn(&path, link.response_timeout).await?;
    if let Some(answer) = link.lines.left(lease) {
        return Ok(answer);
    }
    let mut loaded = Loaded::known(link, &path).await?.unwrap_or_default();
    let is_leaving = link.lines.is_leaving(lease.owner);
    for _ in 0..TRIES {
        let Some(member) = loaded.line.member_mut(lease.owner) else {
            if !loaded.is_read {
                loaded = Loaded::read(link, "release", &path).await?;
                continue;
            }
            // If a release before this was not answered, that one did.
            let was_there = link.lines.has_left(lease.owner, loaded.now);
            link.lines.remember(lease, was_there);
            return Ok(was_there);
        };
        link.lines.leave(lease.owner, member.extra.at);
        loaded
            .line
            .remove_where(|member| member.owner == lease.owner);
        loaded.line.grant(|_| {});
        if loaded.save(link, "release", &path, None).await? {
            link.lines.remember(lease, true);
            return Ok(true);
        }
        if !is_leaving {
            link.lines.stay(lease.owner);
        }
    }
    Err(failure::of_contention("release"))
}

pub(super) async fn inspect(link: &Link, resource: &str) -> Result<Vec<Contender>> {
    let path = link.address.root.line(resource);
    let loaded = Loaded::read(link, "inspect", &path).await?;
    let contender = |member: &Member<Deadline>| Contender {
        owner: member.owner,
        label: Arc::clone(&member.label),
        token: member.token,
        weight: member.weight,
        granted: member.granted,
        expires_in: until(member.extra.at, loaded.now),
    };
    Ok(loaded.line.members().map(contender).collect())
}

/// Looks at a line in which some of this process wait, watches it again, and tells those who hold now.
pub(super) async fn look_at(link: &Link, path: &str) -> Result<()> {
    let [reply] = link.ask("renew", &[watching(path)]).await?;
    if let Some(cell) = link::cell("renew", reply)? {
        let (_, members) = parse("renew", &cell)?;
        link.lines.tell(link, path, &members);
    }
    Ok(())
}
