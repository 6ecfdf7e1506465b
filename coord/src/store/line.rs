//! The line of contenders for one resource, as a plain data structure: who is in it, who is granted, who
//! comes next. Stores that keep a line in this process, or rewrite it whole, share it.
//!
//! Invariants:
//!
//! 1. Those who wait stand in the order of their tokens.
//! 2. The granted ones are those in front: nobody is granted behind somebody who waits.
//! 3. `granted` counts them and `used` sums their weights.
//! 4. A grant is never taken back, only given up, or lost to expiry.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::{FencingToken, OwnerId};

/// One in line, with whatever the store wants to keep of it.
#[derive(Debug)]
pub(super) struct Member<T> {
    pub(super) owner: OwnerId,
    pub(super) label: Arc<str>,
    pub(super) token: FencingToken,
    pub(super) weight: u32,
    pub(super) capacity: u32,
    pub(super) granted: bool,
    pub(super) extra: T,
}

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) granted: bool,
    pub(super) ahead: u32,
    pub(super) token: FencingToken,
    /// Whether everybody in front holds the lease, so that only their expiry has to be waited for.
    pub(super) is_next: bool,
}

#[derive(Debug)]
pub(super) struct Line<T> {
    members: VecDeque<Member<T>>,
    granted: usize,
    used: u64,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            members: VecDeque::new(),
            granted: 0,
            used: 0,
        }
    }
}

impl<T> Line<T> {
    /// A line as it was stored: members in order, granted ones in front.
    pub(super) fn restore(members: impl IntoIterator<Item = Member<T>>) -> Self {
        let mut line = Self::default();
        for member in members {
            if member.granted {
                line.granted += 1;
                line.used += u64::from(member.weight);
            }
            line.members.push_back(member);
        }
        line
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member<T>> + Clone {
        self.members.iter()
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member<T>> {
        self.members.iter_mut()
    }

    #[cfg(feature = "zookeeper")]
    pub(super) fn into_members(self) -> impl Iterator<Item = Member<T>> {
        self.members.into_iter()
    }

    pub(super) fn member_mut(&mut self, owner: OwnerId) -> Option<&mut Member<T>> {
        self.members.iter_mut().find(|member| member.owner == owner)
    }

    pub(super) fn place(&self, owner: OwnerId) -> Option<Place> {
        let index = self
            .members
            .iter()
            .position(|member| member.owner == owner)?;
        let member = &self.members[index];
        Some(Place {
            granted: member.granted,
            ahead: u32::try_from(index).unwrap_or(u32::MAX),
            token: member.token,
            is_next: index == self.granted,
        })
    }

    /// Whether one more of this weight would be granted at once.
    pub(super) fn would_grant(&self, weight: u32, capacity: u32) -> bool {
        self.granted == self.members.len() && self.fits(weight, self.capacity().min(capacity))
    }

    /// Puts a contender at the end of the line, granted if it fits.
    pub(super) fn enter(&mut self, mut member: Member<T>) {
        member.granted = self.would_grant(member.weight, member.capacity);
        if member.granted {
            self.granted += 1;
            self.used += u64::from(member.weight);
        }
        self.members.push_back(member);
    }

    /// Gives one in line a token of at least `floor`, and those who wait behind it later ones, so that the
    /// grants to come stay in order. Says whether anything changed.
    pub(super) fn raise(
        &mut self,
        owner: OwnerId,
        floor: FencingToken,
        mut next_token: impl FnMut() -> FencingToken,
    ) -> bool {
        let index = self.members.iter().position(|member| member.owner == owner);
        let Some(index) = index.filter(|index| self.members[*index].token < floor) else {
            return false;
        };
        self.members[index].token = next_token();
        for member in self.members.iter_mut().skip(index + 1) {
            if !member.granted {
                member.token = next_token();
            }
        }
        true
    }

    /// Takes out everybody for whom `leaves` says so, and returns whether anybody went.
    pub(super) fn remove_where(&mut self, mut leaves: impl FnMut(&Member<T>) -> bool) -> bool {
        let before = self.members.len();
        let (granted, used) = (&mut self.granted, &mut self.used);
        self.members.retain(|member| {
            let goes = leaves(member);
            if goes && member.granted {
                *granted -= 1;
                *used -= u64::from(member.weight);
            }
            !goes
        });
        self.members.len() < before
    }

    /// Grants whoever fits now, in order, and tells `on_grant` of each.
    pub(super) fn grant(&mut self, mut on_grant: impl FnMut(&mut Member<T>)) {
        while self.granted < self.members.len() {
            let capacity = self.capacity();
            let weight = self.members[self.granted].weight;
            if !self.fits(weight, capacity) {
                return;
            }
            let member = &mut self.members[self.granted];
            member.granted = true;
            on_grant(member);
            self.granted += 1;
            self.used += u64::from(weight);
        }
    }

    /// The smallest remaining time of those who hold.
    pub(super) fn earliest_expiry(
        &self,
        expires_in: impl Fn(&Member<T>) -> Duration,
    ) -> Option<Duration> {
        self.members.iter().take(self.granted).map(expires_in).min()
    }

    /// The capacity in force: the smallest of those present.
    fn capacity(&self) -> u32 {
        self.members
            .iter()
            .map(|member| member.capacity)
            .min()
            .unwrap_or(u32::MAX)
    }

    /// A contender that is larger than the capacity in force takes all of it.
    fn fits(&self, weight: u32, capacity: u32) -> bool {
        self.used == 0 || self.used + u64::from(weight) <= u64::from(capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(owner: u128, weight: u32, capacity: u32) -> Member<()> {
        Member {
            owner: OwnerId::from_bits(owner),
            label: Arc::default(),
            token: FencingToken::new(u64::try_from(owner).unwrap_or(u64::MAX)),
            weight,
            capacity,
            granted: false,
            extra: (),
        }
    }

    fn granted(line: &Line<()>) -> Vec<u128> {
        line.members()
            .filter(|member| member.granted)
            .map(|member| member.owner.to_bits())
            .collect()
    }

    #[test]
    fn nobody_overtakes_one_who_waits() {
        let mut line = Line::default();
        line.enter(member(1, 1, 2));
        line.enter(member(2, 2, 2));
        line.enter(member(3, 1, 2));
        assert_eq!(granted(&line), [1], "3 would fit, but 2 came first");

        line.remove_where(|member| member.owner.to_bits() == 1);
        line.grant(|_| {});
        assert_eq!(granted(&line), [2]);
    }

    #[test]
    fn the_smallest_capacity_present_counts_and_takes_nothing_back() {
        let mut line = Line::default();
        for owner in 1..=4 {
            line.enter(member(owner, 1, 4));
        }
        line.enter(member(5, 1, 2));
        assert_eq!(granted(&line), [1, 2, 3, 4]);

        line.remove_where(|member| member.owner.to_bits() <= 3);
        line.grant(|_| {});
        assert_eq!(granted(&line), [4, 5]);
    }

    #[test]
    fn one_larger_than_the_capacity_is_granted_alone() {
        let mut line = Line::default();
        line.enter(member(1, 1, 2));
        line.enter(member(2, 5, 5));
        assert_eq!(granted(&line), [1]);
        line.remove_where(|member| member.owner.to_bits() == 1);
        line.grant(|_| {});
        assert_eq!(granted(&line), [2]);
    }
}
