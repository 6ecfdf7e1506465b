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
    pub(super) fn push(&mut self, now: Instant, at: Instant, name: Arc<str>) {
        // Not when the first one's time comes: another one's can come before.
        let begins = *self.begins.get_or_insert(now);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_first_does_not_wait_for_what_was_noted_first() {
        let now = Instant::now();
        let mut due = Due::default();
        let (soon, late) = (now + TICK, now + TICK * 1_000);
        due.push(now, late, "late".into());
        due.push(now, soon, "soon".into());
        assert_eq!(due.pop(now), None);
        assert_eq!(due.pop(soon + TICK).as_deref(), Some("soon"));
        assert_eq!(due.pop(soon + TICK), None);
        assert_eq!(due.pop(late + TICK).as_deref(), Some("late"));
    }
}
