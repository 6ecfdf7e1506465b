//! Leases: a cell for each line, which is there as long as somebody is in it.
//!
//! Who has written a line knows it until somebody else has, so most writes are made without reading first. A write
//! that is refused has read what there is along with it. What is answered without a write was read after it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::future::join_all;
use tokio::sync::MutexGuard as Turn;

use super::cell::{self, Cell, Mark};
use super::clock::{Time, milliseconds, until};
use super::link::{self, Changed, Link};
use super::stored_line::{self, Deadline};
use super::wire::{Change, Malformed, Request};
use super::{TRIES, failure};
use crate::store::line::{Line, Member, Place};
use crate::store::released::Released;
use crate::store::{
    Acquired, Contender, FencingToken, LeaseId, LeaseRequest, OwnerId, OwnerMap, Renewal, Renewed,
    Result, Watch,
};

/// How many lines take turns together.
const TURNS: usize = 64;
/// How many lines are known without being read, at the most.
const KNOWN_AT_MOST: usize = 4_096;
const LEFT_AT_MOST: usize = 100_000;

/// What this process knows of lines and of its contenders.
pub(super) struct Lines {
    /// One of this process's at a time changes a line, so that they do not get in each other's way.
    turns: Vec<tokio::sync::Mutex<()>>,
    known: Mutex<HashMap<String, Known>>,
    waiting: Arc<Waiting>,
    left: Mutex<Released>,
    /// Contenders whose release was not answered, and until when nobody else can have taken them out.
    leaving: Mutex<OwnerMap<Time>>,
}

/// A line as this process has written it last.
struct Known {
    mark: Option<Mark>,
    members: Vec<Member<Deadline>>,
}

/// Those of this process who wait, by the paths of their lines.
#[derive(Default)]
struct Waiting(Mutex<HashMap<String, Vec<OwnerId>>>);

impl Default for Lines {
    fn default() -> Self {
        Self {
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::default()).collect(),
            known: Mutex::default(),
            waiting: Arc::default(),
            left: Mutex::new(Released::remembering(LEFT_AT_MOST)),
            leaving: Mutex::default(),
        }
    }
}

impl Lines {
    async fn turn(&self, path: &str) -> Turn<'_, ()> {
        let hash = path.bytes().fold(0_usize, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        self.turns[hash % TURNS].lock().await
    }

    fn keep(&self, path: &str, known: Known) {
        let mut all = lock(&self.known);
        if all.len() >= KNOWN_AT_MOST {
            all.clear();
        }
        all.insert(path.to_owned(), known);
    }

    /// What a release of this contender has answered.
    fn left(&self, lease: &LeaseId) -> Option<bool> {
        lock(&self.left).answer(lease)
    }

    fn remember(&self, lease: &LeaseId, answer: bool) {
        lock(&self.leaving).remove(&lease.owner);
        lock(&self.left).remember(lease, answer, tokio::time::Instant::now());
    }

    pub(super) fn anybody_waits_at(&self, path: &str) -> bool {
        lock(&self.waiting.0).contains_key(path)
    }

    /// Has one who waits be told when it is granted, until the watch is dropped.
    fn wait(&self, link: &Link, path: &str, owner: OwnerId) -> Watch {
        lock(&self.waiting.0)
            .entry(path.to_owned())
            .or_default()
            .push(owner);
        link.wakes.wait_in_line(owner).keeping(InLine {
            waiting: Arc::downgrade(&self.waiting),
            path: path.to_owned(),
            owner,
        })
    }

    /// Tells those of this process who wait and hold now.
    fn tell(&self, link: &Link, path: &str, members: &[Member<Deadline>]) {
        let waiting = lock(&self.waiting.0);
        let Some(waiting) = waiting.get(path) else {
            return;
        };
        for member in members.iter().filter(|member| member.granted) {
            if waiting.contains(&member.owner) {
                link.wakes.granted(member.owner, member.token);
            }
        }
    }
}

/// Takes one who waits out when its watch is dropped.
struct InLine {
    waiting: Weak<Waiting>,
    path: String,
    owner: OwnerId,
}

impl Drop for InLine {
    fn drop(&mut self) {
        let Some(waiting) = self.waiting.upgrade() else {
            return;
        };
        let mut waiting = lock(&waiting.0);
        if let Some(owners) = waiting.get_mut(&self.path) {
            if let Some(at) = owners.iter().position(|owner| *owner == self.owner) {
                owners.swap_remove(at);
            }
            if owners.is_empty() {
                waiting.remove(&self.path);
            }
        }
    }
}

pub(super) async fn acquire(link: &Arc<Link>, request: &LeaseRequest) -> Result<Acquired> {
    let path = link.address.root.line(&request.lease.resource);
    // It listens before it is in line, so no grant is missed.
    let wake = request
        .wait_ttl
        .map(|_| link.lines.wait(link, &path, request.lease.owner));
    let _turn = link.lines.turn(&path).await;
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
    let _turn = link.lines.turn(&path).await;
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
    let _turn = link.lines.turn(&path).await;
    if let Some(answer) = link.lines.left(lease) {
        return Ok(answer);
    }
    let mut loaded = Loaded::known(link, &path).await?.unwrap_or_default();
    for _ in 0..TRIES {
        let Some(member) = loaded.line.member_mut(lease.owner) else {
            if !loaded.is_read {
                loaded = Loaded::read(link, "release", &path).await?;
                continue;
            }
            // If a release before this was not answered, and nobody else can have taken it out, that one did.
            let leaving = lock(&link.lines.leaving).get(&lease.owner).copied();
            let was_there = leaving.is_some_and(|end| loaded.now < end);
            link.lines.remember(lease, was_there);
            return Ok(was_there);
        };
        lock(&link.lines.leaving).insert(lease.owner, member.extra.at);
        loaded
            .line
            .remove_where(|member| member.owner == lease.owner);
        loaded.line.grant(|_| {});
        if loaded.save(link, "release", &path, None).await? {
            link.lines.remember(lease, true);
            return Ok(true);
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

/// Whether nobody in a line is alive.
pub(super) fn is_dead(cell: &Cell, now: Time) -> bool {
    stored_line::members(cell)
        .is_some_and(|(_, members)| members.iter().all(|member| member.extra.at <= now))
}

/// What those who enter rely on.
struct Fence {
    base: u64,
    /// A greater base, to be from now on.
    raised: Option<u64>,
}

/// A line as it is at one moment: without the dead, and with what they held handed over.
#[derive(Default)]
struct Loaded {
    /// None, if there is no line.
    mark: Option<Mark>,
    line: Line<Deadline>,
    now: Time,
    /// Whether it was read after it was asked for, and not only known.
    is_read: bool,
}

impl Loaded {
    /// As this process has written it last, if it has.
    async fn known(link: &Link, path: &str) -> Result<Option<Self>> {
        let known = lock(&link.lines.known).remove(path);
        let Some(known) = known else { return Ok(None) };
        let now = link.now().await?;
        Ok(Some(Self::settled(known.mark, known.members, now, false)))
    }

    async fn read(link: &Link, operation: &'static str, path: &str) -> Result<Self> {
        let cell = link::get_latest(link, operation, path).await?;
        Self::of(link, operation, cell).await
    }

    async fn of(link: &Link, operation: &'static str, cell: Option<Cell>) -> Result<Self> {
        let now = link.now().await?;
        let Some(cell) = cell else {
            return Ok(Self::settled(None, Vec::new(), now, true));
        };
        let (mark, members) = parse(operation, &cell)?;
        Ok(Self::settled(Some(mark), members, now, true))
    }

    fn settled(
        mark: Option<Mark>,
        members: Vec<Member<Deadline>>,
        now: Time,
        is_read: bool,
    ) -> Self {
        let mut line = Line::restore(members);
        line.remove_where(|member| member.extra.at <= now);
        line.grant(|_| {});
        Self {
            mark,
            line,
            now,
            is_read,
        }
    }

    fn enter(&mut self, request: &LeaseRequest) {
        self.line.enter(Member {
            owner: request.lease.owner,
            label: Arc::clone(&request.label),
            token: FencingToken::new(u64::MAX),
            weight: request.weight,
            capacity: request.capacity,
            granted: false,
            extra: Deadline {
                has_entered: true,
                ..Deadline::default()
            },
        });
    }

    /// Gives one who is in line already a token that is not below the floor, and those behind it later ones. The base
    /// that the tokens after them need is returned, if they were given any.
    fn raise_token(&mut self, link: &Link, request: &LeaseRequest) -> Option<u64> {
        let floor = request.token_floor?;
        let given = self.line.members().map(|member| u64::from(member.token));
        let mut last = given
            .max()
            .unwrap_or(0)
            .max(u64::from(floor).saturating_sub(1));
        let raised = self.line.raise(request.lease.owner, floor, || {
            last = last.saturating_add(1);
            FencingToken::new(last)
        });
        raised.then(|| last.saturating_sub(link.last_transaction()))
    }

    /// Sets the deadline of one in line.
    fn extend(&mut self, owner: OwnerId, ttl: std::time::Duration, wait_ttl: std::time::Duration) {
        if let Some(member) = self.line.member_mut(owner) {
            let lasts = if member.granted { ttl } else { wait_ttl };
            member.extra.anew = Some(milliseconds(lasts));
        }
    }

    /// Writes the line. `false`: somebody else was faster, and this is what there is now.
    async fn save(
        &mut self,
        link: &Link,
        operation: &'static str,
        path: &str,
        fence: Option<Fence>,
    ) -> Result<bool> {
        let base = fence
            .as_ref()
            .map_or(0, |fence| fence.raised.unwrap_or(fence.base));
        let mark: Mark = rand::random();
        let mut changes = match (self.mark, self.line.is_empty()) {
            (None, true) => return Ok(true),
            (Some(read), true) => cell::remove(path, read).to_vec(),
            (Some(read), false) => {
                let content = stored_line::content(base, self.line.members());
                cell::replace(path, read, mark, &content).to_vec()
            }
            (None, false) => {
                let content = stored_line::content(base, self.line.members());
                cell::create(path, mark, &content).to_vec()
            }
        };
        let of_line = changes.len();
        if let Some(fence) = &fence {
            let root = &link.address.root;
            match fence.raised {
                None => changes.push(Change::Check {
                    path: root.tokens_from(fence.base),
                    version: None,
                }),
                Some(raised) => changes.extend([
                    Change::Delete {
                        path: root.tokens_from(fence.base),
                    },
                    Change::Create {
                        path: root.tokens_from(raised),
                        data: bytes::Bytes::new(),
                    },
                ]),
            }
        }
        // Those of this process who wait are told of what happens after this, and of what has happened before.
        let waits = link.lines.anybody_waits_at(path);
        let behind = if waits {
            watching(path)
        } else {
            link::get(path)
        };
        let reads = waits || self.mark.is_none();
        let behind = reads.then_some(behind);
        let (changed, replies) = link.change(operation, changes, behind).await?;
        let read = match replies.into_iter().next() {
            Some(reply) => Some(link::cell(operation, reply)?),
            None => None,
        };
        if let Some(Some(cell)) = read.as_ref().filter(|_| waits) {
            let (_, members) = parse(operation, cell)?;
            link.lines.tell(link, path, &members);
        }
        match changed {
            Changed::Done { transaction, stat } => {
                if let Some(raised) = fence.and_then(|fence| fence.raised) {
                    *link.known_base() = Some(raised);
                }
                let token = stored_line::token(base, transaction);
                let members = std::mem::take(&mut self.line).into_members();
                let filled_in: Vec<_> = members
                    .map(|member| filled_in(member, token, stat.changed_at))
                    .collect();
                if !filled_in.is_empty() {
                    let members = filled_in.iter().map(copy).collect();
                    link.lines.keep(
                        path,
                        Known {
                            mark: Some(mark),
                            members,
                        },
                    );
                }
                self.line = Line::restore(filled_in);
                Ok(true)
            }
            Changed::Refused(at) => {
                if at >= of_line {
                    *link.known_base() = None;
                }
                *self = match read {
                    Some(cell) => Self::of(link, operation, cell).await?,
                    None => Self::read(link, operation, path).await?,
                };
                Ok(false)
            }
        }
    }

    /// Only who is next in line need look when a holder expires.
    fn look_again_in(&self, place: Place) -> Option<std::time::Duration> {
        place
            .is_next
            .then(|| {
                self.line
                    .earliest_expiry(|member| until(member.extra.at, self.now))
            })
            .flatten()
    }
}

/// What the server knew when it wrote.
fn filled_in(mut member: Member<Deadline>, token: FencingToken, now: Time) -> Member<Deadline> {
    if std::mem::take(&mut member.extra.has_entered) {
        member.token = token;
    }
    if let Some(lasts) = member.extra.anew.take() {
        member.extra.at = now.saturating_add(lasts);
    }
    member
}

fn copy(member: &Member<Deadline>) -> Member<Deadline> {
    Member {
        owner: member.owner,
        label: Arc::clone(&member.label),
        token: member.token,
        weight: member.weight,
        capacity: member.capacity,
        granted: member.granted,
        extra: member.extra.clone(),
    }
}

fn parse(operation: &'static str, cell: &Cell) -> Result<(Mark, Vec<Member<Deadline>>)> {
    stored_line::members(cell).ok_or_else(|| failure::of_reply(operation)(Malformed))
}

/// What there is, and its next change.
fn watching(path: &str) -> Request {
    Request::Get {
        path: path.to_owned(),
        watch: true,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
