//! What is to be looked at when its time has come, in the order of time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// How much later than its time something may be looked at, so that what comes at about the same time costs no more
/// than a place in a list.
const TICK: Duration = Duration::from_millis(16);

/// Names, by the tick in which their time comes. Each is there once, unless its time was set to come earlier.
#[derive(Debug, Default)]
pub(super) struct Due {
    begins: Option<Instant>,
    ticks: BTreeMap<u64, Vec<Arc<str>>>,
}

/// When something is looked at, kept with the thing itself.
#[derive(Debug, Default)]
pub(super) struct Look(Option<Instant>);

impl Look {
    /// Whether this is the look that was asked for last, and not one before a later one that is still to come.
    pub(super) fn has_come(&mut self, now: Instant) -> bool {
        self.0.take_if(|at| *at <= now).is_some()
    }
}

impl Due {
    /// Lets `name` be looked at a little after `at`, unless it is by then anyway.
    pub(super) fn push(&mut self, now: Instant, at: Instant, name: &Arc<str>, look: &mut Look) {
        if look.0.is_some_and(|look| look <= at) {
            return;
        }
        look.0 = Some(at);
        // Not when the first one's time comes: another one's can come before.
        let begins = *self.begins.get_or_insert(now);
        let ticks = tick(begins, at) + 1;
        self.ticks.entry(ticks).or_default().push(Arc::clone(name));
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
        due.push(now, late, &"late".into(), &mut Look::default());
        due.push(now, soon, &"soon".into(), &mut Look::default());
        assert_eq!(due.pop(now), None);
        assert_eq!(due.pop(soon + TICK).as_deref(), Some("soon"));
        assert_eq!(due.pop(soon + TICK), None);
        assert_eq!(due.pop(late + TICK).as_deref(), Some("late"));
    }

    #[test]
    fn what_is_put_off_again_and_again_is_noted_once() {
        let now = Instant::now();
        let (mut due, mut look, name) = (Due::default(), Look::default(), "one".into());
        for put_off in 1..1_000 {
            due.push(now, now + TICK * put_off, &name, &mut look);
        }
        let later = now + TICK * 1_000;
        assert_eq!(due.pop(later).as_deref(), Some("one"));
        assert!(look.has_come(later));
        assert_eq!(due.pop(later), None);
    }

    /// Of two looks at the same thing, the later one is to be passed over.
    #[test]
    fn what_is_to_be_looked_at_earlier_than_it_was_is() {
        let now = Instant::now();
        let (mut due, mut look, name) = (Due::default(), Look::default(), "one".into());
        let (soon, late) = (now + TICK, now + TICK * 10);
        due.push(now, late, &name, &mut look);
        due.push(now, soon, &name, &mut look);
        assert!(due.pop(soon + TICK).is_some() && look.has_come(soon + TICK));
        due.push(soon + TICK, late + TICK * 5, &name, &mut look);
        assert!(due.pop(late + TICK).is_some() && !look.has_come(late + TICK));
    }
}
