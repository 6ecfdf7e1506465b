//! A line as it stands in etcd: a key for each contender, in the order in which they were created.
//!
//! Who holds is not stored. It follows from the order: one holds if its weight and those of all in front fit into the
//! smallest capacity among them. Who comes later changes nothing for those in front, and who leaves only makes room: so
//! what was granted once stays granted.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::failure;
use super::keys;
use super::wire::KeyValue;
use crate::store::{FencingToken, LeaseRequest, OwnerId, Result};

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) owner: OwnerId,
    /// The revision with which it entered.
    pub(super) created: u64,
    /// What is added to it for the token.
    pub(super) base: u64,
    pub(super) weight: u32,
    pub(super) capacity: u32,
    /// For how long it said to hold without renewal.
    pub(super) ttl: Duration,
    pub(super) label: Arc<str>,
    /// The lease of etcd's that its key has.
    pub(super) lease: i64,
    pub(super) modified: i64,
}

impl Member {
    pub(super) fn token(&self) -> FencingToken {
        FencingToken::new(self.base.saturating_add(self.created))
    }

    pub(super) fn content(&self) -> Bytes {
        content(
            self.base,
            [self.weight, self.capacity],
            self.ttl,
            &self.label,
        )
    }
}

/// Where one stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) granted: bool,
    pub(super) ahead: u32,
    pub(super) token: FencingToken,
}

/// A line at one revision.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) members: Vec<Member>,
    pub(super) revision: i64,
}

impl Line {
    /// From what was read below the prefix of the line, in order of creation.
    pub(super) fn parse(
        operation: &'static str,
        line: &str,
        read: Vec<KeyValue>,
        revision: i64,
    ) -> Result<Self> {
        let members = read
            .into_iter()
            // There are marks besides.
            .filter_map(|kv| Some((keys::owner(line, &kv.key)?, kv)))
            .map(|(owner, kv)| member(owner, kv).ok_or_else(|| failure::of_reply(operation)))
            .collect::<Result<_>>()?;
        Ok(Self { members, revision })
    }

    pub(super) fn place(&self, owner: OwnerId) -> Option<Place> {
        let ahead = self
            .members
            .iter()
            .position(|member| member.owner == owner)?;
        Some(Place {
            granted: ahead < self.granted(),
            ahead: u32::try_from(ahead).unwrap_or(u32::MAX),
            token: self.members[ahead].token(),
        })
    }

    pub(super) fn lease(&self, owner: OwnerId) -> Option<i64> {
        let member = self.members.iter().find(|member| member.owner == owner)?;
        Some(member.lease)
    }

    /// How many hold: those in front.
    pub(super) fn granted(&self) -> usize {
        let (mut used, mut capacity) = (0_u64, u32::MAX);
        self.members
            .iter()
            .enumerate()
            .take_while(|(index, member)| {
                used += u64::from(member.weight);
                capacity = capacity.min(member.capacity);
                *index == 0 || used <= u64::from(capacity)
            })
            .count()
    }

    /// Whether one more at the end would hold at once.
    pub(super) fn would_grant(&self, weight: u32, capacity: u32) -> bool {
        let used: u64 = self
            .members
            .iter()
            .map(|member| u64::from(member.weight))
            .sum();
        let capacity = self
            .members
            .iter()
            .map(|member| member.capacity)
            .fold(capacity, u32::min);
        self.members.is_empty()
            || self.granted() == self.members.len()
                && used + u64::from(weight) <= u64::from(capacity)
    }
}

pub(super) fn content_of(base: u64, request: &LeaseRequest) -> Bytes {
    content(
        base,
        [request.weight, request.capacity],
        request.ttl,
        &request.label,
    )
}

fn content(base: u64, [weight, capacity]: [u32; 2], ttl: Duration, label: &str) -> Bytes {
    let mut content = BytesMut::with_capacity(24 + label.len());
    content.put_u64(base);
    content.put_u32(weight);
    content.put_u32(capacity);
    content.put_u64(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    content.put_slice(label.as_bytes());
    content.freeze()
}

fn member(owner: OwnerId, mut kv: KeyValue) -> Option<Member> {
    Some(Member {
        owner,
        created: u64::try_from(kv.create_revision).ok()?,
        base: kv.value.try_get_u64().ok()?,
        weight: kv.value.try_get_u32().ok()?,
        capacity: kv.value.try_get_u32().ok()?,
        ttl: Duration::from_millis(kv.value.try_get_u64().ok()?),
        label: std::str::from_utf8(&kv.value).ok()?.into(),
        lease: kv.lease,
        modified: kv.mod_revision,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(members: &[(u32, u32)]) -> Line {
        let member = |(index, (weight, capacity)): (usize, &(u32, u32))| Member {
            owner: OwnerId::from_bits(index as u128),
            created: index as u64 + 1,
            base: 0,
            weight: *weight,
            capacity: *capacity,
            ttl: Duration::ZERO,
            label: Arc::default(),
            lease: 0,
            modified: 0,
        };
        Line {
            members: members.iter().enumerate().map(member).collect(),
            revision: 0,
        }
    }

    #[test]
    fn nobody_overtakes_one_who_waits() {
        assert_eq!(line(&[(1, 2), (2, 2), (1, 2)]).granted(), 1);
        assert_eq!(line(&[(2, 2), (1, 2)]).granted(), 1);
        assert!(!line(&[(1, 2), (2, 2)]).would_grant(1, 2));
    }

    #[test]
    fn a_smaller_capacity_behind_takes_nothing_back() {
        assert_eq!(line(&[(1, 4), (1, 4), (1, 4), (1, 2)]).granted(), 3);
        assert_eq!(line(&[(1, 4), (1, 2), (1, 4)]).granted(), 2);
    }

    #[test]
    fn one_larger_than_the_capacity_holds_alone() {
        assert_eq!(line(&[(5, 5), (1, 2)]).granted(), 1);
        assert_eq!(line(&[(1, 2), (5, 5)]).granted(), 1);
    }
}
