//! A line as it was read or is known, and how it is written.

use std::sync::Arc;

use super::LARGEST_VALUE;
use super::cell::{self, Cell, Mark};
use super::clock::{Time, milliseconds, until};
use super::failure;
use super::lines::Known;
use super::link::{self, Changed, Link};
use super::stored_line::{self, Deadline};
use super::wire::{Change, Malformed, Request};
use crate::store::line::{Line, Member, Place};
use crate::store::{FencingToken, LeaseRequest, OwnerId, Result};

/// The most bytes of a line that one enters. It leaves room for what is known of its members only later.
const LARGEST_ENTERED: usize = LARGEST_VALUE / 4 * 3;

/// Whether nobody in a line is alive.
pub(super) fn is_dead(cell: &Cell, now: Time) -> bool {
    stored_line::members(cell)
        .is_some_and(|(_, members)| members.iter().all(|member| member.extra.at <= now))
}

/// What those who enter rely on.
pub(super) struct Fence {
    pub(super) base: u64,
    /// A greater base, to be from now on.
    pub(super) raised: Option<u64>,
}

/// A line as it is at one moment: without the dead, and with what they held handed over.
#[derive(Default)]
pub(super) struct Loaded {
    /// None, if there is no line.
    mark: Option<Mark>,
    pub(super) line: Line<Deadline>,
    pub(super) now: Time,
    /// Whether it was read after it was asked for, and not only known.
    pub(super) is_read: bool,
}

impl Loaded {
    /// As this process has written it last, if it has.
    pub(super) async fn known(link: &Link, path: &str) -> Result<Option<Self>> {
        let Some(known) = link.lines.take(path) else {
            return Ok(None);
        };
        let now = link.now().await?;
        Ok(Some(Self::settled(
            Some(known.mark),
            known.members,
            now,
            false,
        )))
    }

    pub(super) async fn read(link: &Link, operation: &'static str, path: &str) -> Result<Self> {
        let cell = link::get_latest(link, operation, path).await?;
        Self::of(link, operation, cell).await
    }

    async fn of(link: &Link, operation: &'static str, cell: Option<Cell>) -> Result<Self> {
        let now = link.now().await?;
        let Some(cell) = cell else {
            return Ok(Self::settled(None, Vec::new(), now, true));
        };
        let (mark, members) = parse(operation, &cell)?;
        // What is known here of the time may be from before it was written.
        let now = now.max(cell.stat.changed_at);
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

    pub(super) fn enter(&mut self, request: &LeaseRequest) {
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
    pub(super) fn raise_token(&mut self, link: &Link, request: &LeaseRequest) -> Option<u64> {
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
    pub(super) fn extend(
        &mut self,
        owner: OwnerId,
        ttl: std::time::Duration,
        wait_ttl: std::time::Duration,
    ) {
        if let Some(member) = self.line.member_mut(owner) {
            let lasts = if member.granted { ttl } else { wait_ttl };
            member.extra.anew = Some(milliseconds(lasts));
        }
    }

    /// Writes the line. `false`: somebody else was faster, and this is what there is now.
    pub(super) async fn save(
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
        let content = stored_line::content(base, self.line.members());
        let enters = self.line.members().any(|member| member.extra.has_entered);
        if enters && content.len() > LARGEST_ENTERED {
            return Err(failure::of_crowd(operation));
        }
        let mut changes = match (self.mark, self.line.is_empty()) {
            (None, true) => return Ok(true),
            (Some(read), true) => cell::remove(path, read).to_vec(),
            (Some(read), false) => cell::replace(path, read, mark, &content).to_vec(),
            (None, false) => cell::create(path, mark, &content).to_vec(),
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
                    link.lines.keep(path, Known { mark, members });
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
    pub(super) fn look_again_in(&self, place: Place) -> Option<std::time::Duration> {
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

/// The mark and the members of a line.
pub(super) fn parse(operation: &'static str, cell: &Cell) -> Result<(Mark, Vec<Member<Deadline>>)> {
    stored_line::members(cell).ok_or_else(|| failure::of_reply(operation)(Malformed))
}

/// What there is, and its next change.
pub(super) fn watching(path: &str) -> Request {
    Request::Get {
        path: path.to_owned(),
        watch: true,
    }
}
