//! What is to be looked at when its time has come, in the order of time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// How much later than its time something may be looked at, so that what comes at about the same time costs no more
/// than a place in a list.
const TICK: Duration = Duration::from_millis(16);

/// Names, by the tick in which their time comes.
#[derive(Debug, Default)]
pub(super) struct Due {
    begins: Option<Instant>,
    ticks: BTreeMap<u64, Vec<Arc<str>>>,
}

impl Due {
    /// Lets `name` be looked at a little after `at`.
    pub(super) fn push(&mut self, at: Instant, name: Arc<str>) {
        let begins = *self.begins.get_or_insert(at);
        let ticks = tick(begins, at) + 1;
        self.ticks.entry(ticks).or_default().push(name);
    }

    /// One whose time has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Arc<str>> {
        let mut first = self.ticks.first_entry()?;
        if *first.key() > tick(self.begins?, now) {
            return None;
        }
        let name = first.get_mut().pop();
        if first.get().is_empty() {
            first.remove();
        }
        name
    }
}

/// How many whole ticks there are before `at`.
fn tick(begins: Instant, at: Instant) -> u64 {
    let since = at.saturating_duration_since(begins).as_nanos() / TICK.as_nanos();
    u64::try_from(since).unwrap_or(u64::MAX - 1)
}
