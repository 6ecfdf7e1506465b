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
    pub(super) key: String,
    pub(super) owner: OwnerId,
    /// The revision with which it entered.
    pub(super) created: i64,
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
        let created = u64::try_from(self.created).unwrap_or(0);
        FencingToken::new(self.base.saturating_add(created))
    }

    pub(super) fn content(&self) -> Bytes {
        content(
            (self.owner, self.base),
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
            .filter(|kv| keys::is_member(line, &kv.key))
            .map(|kv| member(kv).ok_or_else(|| failure::of_reply(operation)))
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

    pub(super) fn member(&self, owner: OwnerId) -> Option<&Member> {
        self.members.iter().find(|member| member.owner == owner)
    }

    /// Who stands at this key.
    pub(super) fn at(&self, key: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.key == key)
    }

    /// One has left: whoever has come to its key since is another.
    pub(super) fn remove(&mut self, key: &[u8], revision: i64) {
        self.members
            .retain(|member| member.key.as_bytes() != key || member.created > revision);
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
        (request.lease.owner, base),
        [request.weight, request.capacity],
        request.ttl,
        &request.label,
    )
}

fn content(
    (owner, base): (OwnerId, u64),
    [weight, capacity]: [u32; 2],
    ttl: Duration,
    label: &str,
) -> Bytes {
    let mut content = BytesMut::with_capacity(40 + label.len());
    content.put_u128(owner.to_bits());
    content.put_u64(base);
    content.put_u32(weight);
    content.put_u32(capacity);
    content.put_u64(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    content.put_slice(label.as_bytes());
    content.freeze()
}

fn member(mut kv: KeyValue) -> Option<Member> {
    Some(Member {
        key: std::str::from_utf8(&kv.key).ok()?.to_owned(),
        owner: OwnerId::from_bits(kv.value.try_get_u128().ok()?),
        created: kv.create_revision,
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
            key: index.to_string(),
            owner: OwnerId::from_bits(index as u128),
            created: i64::try_from(index).unwrap() + 1,
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
    fn who_leaves_is_not_who_has_come_to_the_same_key_since() {
        let mut line = line(&[(1, 1), (1, 1)]);
        line.remove(b"1", 1);
        assert_eq!(line.members.len(), 2);
        line.remove(b"1", 2);
        assert_eq!(line.members.len(), 1);
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
