//! What has passed.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Counts {
    /// By name in upper case.
    pub(super) by_name: BTreeMap<String, u64>,
    pub(super) round_trips: u64,
    pub(super) cuts: u64,
}

impl Counts {
    pub(super) fn requests(&self) -> u64 {
        self.by_name.values().sum()
    }
}
