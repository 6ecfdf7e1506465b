//! A line as it is stored: one cell, in JSON.
//!
//! What the server alone knows when it writes is left open: the token of one who has just entered is the number of the
//! transaction, and a deadline that has just been set counts from its time. Both stand beside what is read, and whoever
//! writes next fills them in.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::cell::{Cell, Mark};
use super::clock::Time;
use crate::store::line::Member;
use crate::store::{FencingToken, OwnerId};

/// What is stored of a member besides.
#[derive(Debug, Clone, Default)]
pub(super) struct Deadline {
    /// When it is dead.
    pub(super) at: Time,
    /// How long after the writing, in milliseconds, if it is set anew.
    pub(super) anew: Option<u64>,
    /// Whether its token is that of the transaction to come.
    pub(super) has_entered: bool,
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    /// What is added to the number of the transaction for the token of one who has entered with it.
    base: u64,
    #[serde(borrow)]
    line: Vec<StoredMember<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredMember<'a> {
    /// 32 hexadecimal digits.
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<u64>,
    weight: u32,
    capacity: u32,
    granted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lasts: Option<u64>,
    #[serde(borrow)]
    label: std::borrow::Cow<'a, str>,
}

/// The members as they are written.
pub(super) fn content<'m>(base: u64, members: impl Iterator<Item = &'m Member<Deadline>>) -> Bytes {
    let line = members.map(|member| StoredMember {
        owner: format!("{:032x}", member.owner.to_bits()),
        token: (!member.extra.has_entered).then(|| member.token.into()),
        weight: member.weight,
        capacity: member.capacity,
        granted: member.granted,
        until: member.extra.anew.is_none().then_some(member.extra.at),
        lasts: member.extra.anew,
        label: (&*member.label).into(),
    });
    let stored = Stored {
        base,
        line: line.collect(),
    };
    // Nothing in it can fail to be written.
    serde_json::to_vec(&stored).unwrap_or_default().into()
}

/// The mark and the members that were read. None, if it is no line.
pub(super) fn members(cell: &Cell) -> Option<(Mark, Vec<Member<Deadline>>)> {
    let stored: Stored<'_> = serde_json::from_slice(&cell.content).ok()?;
    let entered = token(stored.base, cell.stat.changed);
    let member = |member: &StoredMember<'_>| {
        let owner = u128::from_str_radix(&member.owner, 16).ok()?;
        let since = member
            .lasts
            .map(|lasts| cell.stat.changed_at.saturating_add(lasts));
        Some(Member {
            owner: OwnerId::from_bits(owner),
            label: Arc::from(&*member.label),
            token: member.token.map_or(entered, FencingToken::new),
            weight: member.weight,
            capacity: member.capacity,
            granted: member.granted,
            extra: Deadline {
                at: member.until.or(since)?,
                ..Deadline::default()
            },
        })
    };
    let members = stored.line.iter().map(member).collect::<Option<_>>()?;
    Some((cell.mark, members))
}

/// The token of one who has entered with this transaction.
pub(super) fn token(base: u64, transaction: u64) -> FencingToken {
    FencingToken::new(base.saturating_add(transaction))
}
