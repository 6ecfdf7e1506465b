//! Leases: a row for each contender. Whoever does something to a line reads it, and writes what has changed of it.
//!
//! What has become of contenders that have left is not stored. The identity of a contender is its process's own, so
//! nobody else can ask, and the writer remembers it.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::clock::{self, Time};
use super::reader::View;
use super::schema::{from_token, to_token};
use super::wakes::Event;
use super::writer::Scope;
use crate::store::line::{Line, Member, Place};
use crate::store::{
    Acquired, Contender, FencingToken, LeaseId, LeaseRequest, OwnerId, Renewal, Renewed, Watched,
};

pub(super) fn acquire(scope: &mut Scope<'_>, request: &LeaseRequest) -> rusqlite::Result<Acquired> {
    let LeaseId { resource, owner } = &request.lease;
    if scope.release_of(&request.lease).is_some() {
        return Ok(Acquired::Busy);
    }
    let mut loaded = Loaded::load(scope.connection, resource, scope.now)?;
    if loaded.line.place(*owner).is_some() {
        loaded.raise_token(scope, request)?;
        loaded.last_as_holder(request, scope.now);
    } else {
        let grants = loaded.line.would_grant(request.weight, request.capacity);
        if grants || request.wait_ttl.is_some() {
            loaded.enter(scope, request, grants)?;
        }
    }
    loaded.save(scope)?;
    Ok(match loaded.line.place(*owner) {
        Some(place) if place.granted => Acquired::Granted(place.token),
        Some(place) => Acquired::Waiting {
            token: place.token,
            ahead: place.ahead,
            look_again_in: loaded.look_again_in(place, scope.now),
            wake: scope.wakes.wait_in_line(&request.lease),
        },
        None => Acquired::Busy,
    })
}

/// Reads and writes each line once, however many renewals it has.
pub(super) fn renew(scope: &mut Scope<'_>, renewals: &[Renewal]) -> rusqlite::Result<Vec<Renewed>> {
    let mut lines: HashMap<&str, Loaded> = HashMap::new();
    let mut answers = Vec::with_capacity(renewals.len());
    for renewal in renewals {
        let resource = &renewal.lease.resource;
        if !lines.contains_key(&**resource) {
            let loaded = Loaded::load(scope.connection, resource, scope.now)?;
            lines.insert(resource, loaded);
        }
        let renewed = lines
            .get_mut(&**resource)
            .and_then(|loaded| loaded.renew(renewal, scope.now));
        answers.push(renewed.unwrap_or(Renewed::Gone));
    }
    for loaded in lines.values_mut() {
        loaded.save(scope)?;
    }
    Ok(answers)
}

pub(super) fn release(scope: &mut Scope<'_>, lease: &LeaseId) -> rusqlite::Result<bool> {
    if let Some(answer) = scope.release_of(lease) {
        return Ok(answer);
    }
    let mut loaded = Loaded::load(scope.connection, &lease.resource, scope.now)?;
    let was_there = loaded.remove_where(|member| member.owner == lease.owner);
    loaded.hand_over();
    loaded.save(scope)?;
    scope.remember_release(lease, was_there);
    Ok(was_there)
}

/// Takes out the dead, and hands over what they held.
pub(super) fn settle(scope: &mut Scope<'_>, resource: &Arc<str>) -> rusqlite::Result<()> {
    Loaded::load(scope.connection, resource, scope.now)?.save(scope)
}

pub(super) fn inspect(view: &View<'_>, resource: &Arc<str>) -> rusqlite::Result<Vec<Contender>> {
    let loaded = Loaded::load(view.connection, resource, view.now)?;
    let contender = |member: &Member<Stored>| Contender {
        owner: member.owner,
        label: Arc::clone(&member.label),
        token: member.token,
        weight: member.weight,
        granted: member.granted,
        expires_in: clock::until(member.extra.expires_at, view.now),
    };
    Ok(loaded.line.members().map(contender).collect())
}

/// Where each of these stands.
pub(super) fn standings<'l>(
    connection: &Connection,
    leases: impl Iterator<Item = &'l LeaseId>,
    now: Time,
) -> rusqlite::Result<Vec<(OwnerId, Standing)>> {
    let mut lines: HashMap<&str, Loaded> = HashMap::new();
    let mut standings = Vec::new();
    for LeaseId { resource, owner } in leases {
        if !lines.contains_key(&**resource) {
            lines.insert(resource, Loaded::load(connection, resource, now)?);
        }
        let standing = lines
            .get(&**resource)
            .map_or(Standing::Unsettled, |loaded| loaded.standing(*owner));
        standings.push((*owner, standing));
    }
    Ok(standings)
}

/// Where a contender stands.
pub(super) enum Standing {
    Holds(FencingToken),
    Waits,
    /// It is gone, or would hold if somebody wrote that now. Until then, one who is dead by now may come back.
    Unsettled,
}

/// What differs when somebody has entered a line or left it: how many there are, and the greatest token.
pub(super) fn traits(
    connection: &Connection,
    resource: &str,
    now: Time,
) -> rusqlite::Result<(usize, Option<FencingToken>)> {
    let loaded = Loaded::load(connection, &resource.into(), now)?;
    let greatest = loaded.line.members().map(|member| member.token).max();
    Ok((loaded.line.len(), greatest))
}

/// What is stored of a member besides.
struct Stored {
    expires_at: Time,
    /// Whether it differs from its row.
    changed: bool,
}

/// A line as it is at one moment: without the dead, and with what they held handed over.
struct Loaded {
    resource: Arc<str>,
    line: Line<Stored>,
    /// Those whose rows are to go.
    gone: Vec<OwnerId>,
    /// Whom the lease was handed to.
    granted: Vec<(OwnerId, FencingToken)>,
}

impl Loaded {
    fn load(connection: &Connection, resource: &Arc<str>, now: Time) -> rusqlite::Result<Self> {
        let mut members: Vec<_> = connection
            .prepare_cached(
                "SELECT owner, token, weight, capacity, granted, expires_at, label
                 FROM contender WHERE resource = ?1",
            )?
            .query_map([&**resource], member)?
            .collect::<rusqlite::Result<_>>()?;
        members.sort_unstable_by_key(|member| (!member.granted, member.token));
        let mut loaded = Self {
            resource: Arc::clone(resource),
            line: Line::restore(members),
            gone: Vec::new(),
            granted: Vec::new(),
        };
        loaded.remove_where(|member| member.extra.expires_at <= now);
        loaded.hand_over();
        Ok(loaded)
    }

    /// As it was loaded.
    fn standing(&self, owner: OwnerId) -> Standing {
        let is_handed_to = |(granted, _): &(OwnerId, FencingToken)| *granted == owner;
        match self.line.place(owner) {
            Some(place) if !place.granted => Standing::Waits,
            Some(place) if !self.granted.iter().any(is_handed_to) => Standing::Holds(place.token),
            _ => Standing::Unsettled,
        }
    }

    fn remove_where(&mut self, mut leaves: impl FnMut(&Member<Stored>) -> bool) -> bool {
        let gone = &mut self.gone;
        self.line.remove_where(|member| {
            let goes = leaves(member);
            if goes {
                gone.push(member.owner);
            }
            goes
        })
    }

    /// Grants whoever fits now.
    fn hand_over(&mut self) {
        let granted = &mut self.granted;
        self.line.grant(|member| {
            member.extra.changed = true;
            granted.push((member.owner, member.token));
        });
    }

    fn enter(
        &mut self,
        scope: &Scope<'_>,
        request: &LeaseRequest,
        grants: bool,
    ) -> rusqlite::Result<()> {
        let lasts = match request.wait_ttl {
            Some(wait_ttl) if !grants => wait_ttl,
            _ => request.ttl,
        };
        self.line.enter(Member {
            owner: request.lease.owner,
            label: Arc::clone(&request.label),
            token: next_token(scope.connection, request.token_floor)?,
            weight: request.weight,
            capacity: request.capacity,
            granted: false,
            extra: Stored {
                expires_at: clock::after(scope.now, lasts),
                changed: true,
            },
        });
        Ok(())
    }

    /// Gives one who is in line already a token that is not below the floor.
    fn raise_token(&mut self, scope: &Scope<'_>, request: &LeaseRequest) -> rusqlite::Result<()> {
        let (Some(floor), owner) = (request.token_floor, request.lease.owner) else {
            return Ok(());
        };
        let mut failed = None;
        let raised = self.line.raise(owner, floor, || {
            next_token(scope.connection, Some(floor)).unwrap_or_else(|error| {
                failed = Some(error);
                floor
            })
        });
        if raised {
            self.line
                .members_mut()
                .for_each(|member| member.extra.changed = true);
        }
        failed.map_or(Ok(()), Err)
    }

    /// One in line that asks again and holds by now was handed over, and has the deadline of one who waits.
    fn last_as_holder(&mut self, request: &LeaseRequest, now: Time) {
        if let Some(member) = self.line.member_mut(request.lease.owner)
            && member.granted
        {
            let stored = &mut member.extra;
            stored.expires_at = stored.expires_at.max(clock::after(now, request.ttl));
            stored.changed = true;
        }
    }

    fn renew(&mut self, renewal: &Renewal, now: Time) -> Option<Renewed> {
        let place = self.line.place(renewal.lease.owner)?;
        let lasts = if place.granted {
            renewal.ttl
        } else {
            renewal.wait_ttl
        };
        let stored = &mut self.line.member_mut(renewal.lease.owner)?.extra;
        stored.expires_at = clock::after(now, lasts);
        stored.changed = true;
        Some(if place.granted {
            Renewed::Granted(place.token)
        } else {
            Renewed::Waiting {
                ahead: place.ahead,
                look_again_in: self.look_again_in(place, now),
            }
        })
    }

    /// Writes what has changed.
    fn save(&mut self, scope: &mut Scope<'_>) -> rusqlite::Result<()> {
        let entered_or_left =
            !self.gone.is_empty() || self.line.members().any(|member| member.extra.changed);
        for owner in self.gone.drain(..) {
            scope
                .connection
                .prepare_cached("DELETE FROM contender WHERE resource = ?1 AND owner = ?2")?
                .execute(params![&*self.resource, owner_bytes(owner)])?;
        }
        for member in self.line.members_mut() {
            if std::mem::take(&mut member.extra.changed) {
                write(scope.connection, &self.resource, member)?;
            }
        }
        if scope.wakes.are_wanted() {
            let granted = self.granted.drain(..);
            granted.for_each(|(owner, token)| scope.news.push(Event::Granted { owner, token }));
            if entered_or_left {
                let line = Watched::Lease(self.resource.to_string());
                scope.news.push(Event::Changed(line));
            }
        }
        Ok(())
    }

    /// Only who is next in line need look when a holder expires; the others would find it still waiting.
    fn look_again_in(&self, place: Place, now: Time) -> Option<std::time::Duration> {
        let expires_in = |member: &Member<Stored>| clock::until(member.extra.expires_at, now);
        place
            .is_next
            .then(|| self.line.earliest_expiry(expires_in))
            .flatten()
    }
}

fn member(row: &Row<'_>) -> rusqlite::Result<Member<Stored>> {
    Ok(Member {
        owner: OwnerId::from_bits(u128::from_be_bytes(row.get(0)?)),
        token: to_token(row.get(1)?),
        weight: row.get(2)?,
        capacity: row.get(3)?,
        granted: row.get(4)?,
        label: row.get(6)?,
        extra: Stored {
            expires_at: row.get(5)?,
            changed: false,
        },
    })
}

fn write(connection: &Connection, resource: &str, member: &Member<Stored>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO contender
                 (resource, owner, token, weight, capacity, granted, expires_at, label)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (resource, owner) DO UPDATE SET
                 token = excluded.token, granted = excluded.granted, expires_at = excluded.expires_at",
        )?
        .execute(params![
            resource,
            owner_bytes(member.owner),
            from_token(member.token),
            member.weight,
            member.capacity,
            member.granted,
            member.extra.expires_at,
            &*member.label,
        ])
        .map(drop)
}

/// The next token of all, so that none is needed per resource.
fn next_token(
    connection: &Connection,
    floor: Option<FencingToken>,
) -> rusqlite::Result<FencingToken> {
    let floor = from_token(floor.unwrap_or(FencingToken::new(0)));
    connection
        .prepare_cached("UPDATE host SET token = max(token + 1, ?1) RETURNING token")?
        .query_row([floor], |row| row.get(0).map(to_token))
}

fn owner_bytes(owner: OwnerId) -> [u8; 16] {
    owner.to_bits().to_be_bytes()
}
