//! Which operations a fault is meant for.

use std::time::Duration;

/// What a store is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Store::get_record`](crate::store::Store::get_record).
    Get,
    /// [`Store::put_record`](crate::store::Store::put_record).
    Put,
    /// [`Store::delete_record`](crate::store::Store::delete_record).
    Delete,
    /// [`Store::list_records`](crate::store::Store::list_records).
    List,
    /// [`Store::acquire_lease`](crate::store::Store::acquire_lease).
    Acquire,
    /// [`Store::renew_leases`](crate::store::Store::renew_leases): one request, however many leases.
    Renew,
    /// [`Store::release_lease`](crate::store::Store::release_lease).
    Release,
    /// [`Store::inspect_lease`](crate::store::Store::inspect_lease).
    Inspect,
    /// [`Store::append_log`](crate::store::Store::append_log).
    Append,
    /// [`Store::read_log`](crate::store::Store::read_log).
    Read,
    /// [`Store::expire_log`](crate::store::Store::expire_log).
    Expire,
    /// [`Store::watch`](crate::store::Store::watch).
    Watch,
    /// [`Store::scan`](crate::store::Store::scan).
    Scan,
    /// [`Store::examine`](crate::store::Store::examine).
    Examine,
}

impl Operation {
    /// The name that the store's errors use.
    pub(in crate::testing) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Acquire => "acquire",
            Self::Renew => "renew",
            Self::Release => "release",
            Self::Inspect => "inspect",
            Self::Append => "append",
            Self::Read => "read",
            Self::Expire => "expire",
            Self::Watch => "watch",
            Self::Scan => "scan",
            Self::Examine => "examine",
        }
    }
}

/// What happens to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails before it is sent: [`NotApplied`](crate::StoreErrorKind::NotApplied), and the store sees nothing.
    BeforeSend,
    /// The connection breaks once the request is on its way: [`Unknown`](crate::StoreErrorKind::Unknown). The
    /// request arrives when [`FaultStore::deliver`](super::FaultStore::deliver) is called, or never.
    AfterSend,
    /// The store does it, and the reply is lost: [`Unknown`](crate::StoreErrorKind::Unknown).
    AfterApply,
    /// It is sent this much later, by tokio's clock.
    Delay(Duration),
}

/// A choice of operations. By default all of a kind, each time.
///
/// ```
/// use coord::testing::{Operation, Rule};
///
/// // The third and the fourth write to a key with `head/` in it.
/// let rule = Rule::on(Operation::Put).key_containing("head/").skipping(2).times(2);
/// # let _ = rule;
/// ```
#[derive(Debug, Clone)]
#[must_use = "give it to a `FaultStore`"]
pub struct Rule {
    operation: Option<Operation>,
    key_part: Option<String>,
    skip: usize,
    left: usize,
    chance: Option<Chance>,
}

impl Rule {
    /// Every operation of this kind.
    pub fn on(operation: Operation) -> Self {
        Self {
            operation: Some(operation),
            ..Self::on_everything()
        }
    }

    /// Every operation.
    pub fn on_everything() -> Self {
        Self {
            operation: None,
            key_part: None,
            skip: 0,
            left: usize::MAX,
            chance: None,
        }
    }

    /// Only those that have `part` in their key, resource or log name.
    pub fn key_containing(mut self, part: impl Into<String>) -> Self {
        self.key_part = Some(part.into());
        self
    }

    /// Spares the first `count` of them.
    pub fn skipping(mut self, count: usize) -> Self {
        self.skip = count;
        self
    }

    /// Ends after `count` of them.
    pub fn times(mut self, count: usize) -> Self {
        self.left = count;
        self
    }

    /// Only one in `count` of them, chosen by a sequence that starts from `seed`.
    pub fn one_in(mut self, count: u32, seed: u64) -> Self {
        self.chance = Some(Chance {
            one_in: u64::from(count.max(1)),
            state: seed,
        });
        self
    }

    /// Whether the rule is meant for this operation now. Each match counts.
    pub(super) fn strikes(&mut self, operation: Operation, keys: &[String]) -> bool {
        if self.left == 0 || !self.matches(operation, keys) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self
            .chance
            .as_mut()
            .is_some_and(|chance| !chance.comes_up())
        {
            return false;
        }
        self.left -= 1;
        true
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    fn matches(&self, operation: Operation, keys: &[String]) -> bool {
        self.operation.is_none_or(|meant| meant == operation)
            && self
                .key_part
                .as_ref()
                .is_none_or(|part| keys.iter().any(|key| key.contains(part)))
    }
}

impl From<Operation> for Rule {
    fn from(operation: Operation) -> Self {
        Self::on(operation)
    }
}

/// A repeatable sequence of chances (the `SplitMix64` generator).
#[derive(Debug, Clone)]
struct Chance {
    one_in: u64,
    state: u64,
}

impl Chance {
    fn comes_up(&mut self) -> bool {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).is_multiple_of(self.one_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(rule: &mut Rule, keys: &[&str]) -> Vec<bool> {
        keys.iter()
            .map(|key| rule.strikes(Operation::Put, &[(*key).to_owned()]))
            .collect()
    }

    #[test]
    fn only_matching_operations_count_towards_skipping_and_times() {
        let mut rule = Rule::on(Operation::Put)
            .key_containing("a")
            .skipping(1)
            .times(1);
        assert_eq!(
            strikes(&mut rule, &["b", "a", "b", "a", "a"]),
            [false, false, false, true, false]
        );
        assert!(rule.is_spent());
    }

    #[test]
    fn another_operation_is_spared() {
        let mut rule = Rule::on(Operation::Get);
        assert_eq!(strikes(&mut rule, &["a"]), [false]);
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let keys = ["a"; 200];
        let first = strikes(&mut Rule::on_everything().one_in(4, 7), &keys);
        assert_eq!(
            first,
            strikes(&mut Rule::on_everything().one_in(4, 7), &keys)
        );
        assert!(first.contains(&true) && first.contains(&false));
    }
}
