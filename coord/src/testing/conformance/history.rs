//! A history of conditional writes to one key, checked for linearizability.
//!
//! Every write names the version that it replaces, and no version comes twice. So the order of the writes
//! is known, and checking takes sorting instead of search:
//!
//! 1. No two writes replace the same version, and each replaces one that was written: they form a chain.
//! 2. The chain respects time: no write ended before one that it follows had begun.
//! 3. A read saw a version that was begun before the read ended, and that no write which ended before the
//!    read began had replaced.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::store::Version;

/// When something happened, by a clock that all tasks share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    began: u64,
    ended: u64,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Write {
        replaced: Option<Version>,
        version: Version,
    },
    Read {
        version: Option<Version>,
    },
}

#[derive(Debug, Default)]
pub(super) struct History {
    clock: AtomicU64,
    events: Mutex<Vec<(Span, Event)>>,
}

impl History {
    /// The moment at which an operation begins.
    pub(super) fn begin(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// A write that was done, and what it replaced.
    pub(super) fn wrote(&self, began: u64, replaced: Option<Version>, version: Version) {
        self.push(began, Event::Write { replaced, version });
    }

    /// What a read saw, or a conflict.
    pub(super) fn read(&self, began: u64, version: Option<Version>) {
        self.push(began, Event::Read { version });
    }

    fn push(&self, began: u64, event: Event) {
        let span = Span {
            began,
            ended: self.clock.fetch_add(1, Ordering::SeqCst),
        };
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((span, event));
    }

    /// Asserts that there is one order of everything that explains all answers, and returns how many
    /// writes it has.
    pub(super) fn assert_linearizable(&self) -> usize {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let chain = chain(&events);
        assert_in_order_of_time(&chain);
        assert_reads_are_fresh(&events, &chain);
        chain.len()
    }
}

/// The writes in the order in which they replace each other.
fn chain(events: &[(Span, Event)]) -> Vec<(Span, Version)> {
    let mut followed_by = HashMap::new();
    for (span, event) in events {
        if let Event::Write { replaced, version } = event {
            let other = followed_by.insert(*replaced, (*span, *version));
            assert!(
                other.is_none(),
                "an update was lost: {version:?} and {other:?} both replaced {replaced:?}"
            );
        }
    }
    let mut chain = Vec::new();
    let mut last = None;
    while let Some((span, version)) = followed_by.remove(&last) {
        chain.push((span, version));
        last = Some(version);
    }
    assert!(
        followed_by.is_empty(),
        "writes replaced versions that nobody wrote: {followed_by:?}"
    );
    chain
}

fn assert_in_order_of_time(chain: &[(Span, Version)]) {
    let mut latest_begin = 0;
    for (span, version) in chain {
        assert!(
            span.ended > latest_begin,
            "{version:?} ended before one that it follows had begun"
        );
        latest_begin = latest_begin.max(span.began);
    }
}

fn assert_reads_are_fresh(events: &[(Span, Event)], chain: &[(Span, Version)]) {
    // When each version surely had been replaced: at the earliest end of the writes behind it.
    let mut replaced_at = HashMap::new();
    let mut earliest_end = u64::MAX;
    for (span, version) in chain.iter().rev() {
        replaced_at.insert(Some(*version), (span.began, earliest_end));
        earliest_end = earliest_end.min(span.ended);
    }
    replaced_at.insert(None, (0, earliest_end));
    for (span, event) in events {
        if let Event::Read { version } = event {
            let known = replaced_at.get(version);
            let (begun, replaced) =
                known.unwrap_or_else(|| panic!("{version:?} was read, but never written"));
            assert!(
                span.ended >= *begun,
                "{version:?} was read before it was written"
            );
            assert!(
                span.began < *replaced,
                "{version:?} was read after it had been replaced"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(bits: u128) -> Version {
        Version::from_bits(bits)
    }

    fn history(events: &[(u64, u64, Event)]) -> History {
        let events = events
            .iter()
            .map(|&(began, ended, event)| (Span { began, ended }, event))
            .collect();
        History {
            clock: AtomicU64::default(),
            events: Mutex::new(events),
        }
    }

    fn write(replaced: Option<u128>, new: u128) -> Event {
        Event::Write {
            replaced: replaced.map(version),
            version: version(new),
        }
    }

    fn read(seen: Option<u128>) -> Event {
        Event::Read {
            version: seen.map(version),
        }
    }

    #[test]
    fn overlapping_operations_may_be_ordered_either_way() {
        let history = history(&[
            (0, 5, write(None, 1)),
            (1, 4, write(Some(1), 2)),
            (2, 3, read(Some(1))),
            (2, 6, read(None)),
        ]);
        assert_eq!(history.assert_linearizable(), 2);
    }

    #[test]
    #[should_panic(expected = "an update was lost")]
    fn two_writes_over_one_version_are_found() {
        history(&[
            (0, 1, write(None, 1)),
            (2, 5, write(Some(1), 2)),
            (3, 4, write(Some(1), 3)),
        ])
        .assert_linearizable();
    }

    #[test]
    #[should_panic(expected = "before one that it follows had begun")]
    fn a_write_from_the_future_is_found() {
        history(&[(4, 5, write(None, 1)), (0, 1, write(Some(1), 2))]).assert_linearizable();
    }

    #[test]
    #[should_panic(expected = "after it had been replaced")]
    fn a_stale_read_is_found() {
        history(&[
            (0, 1, write(None, 1)),
            (2, 3, write(Some(1), 2)),
            (4, 5, read(Some(1))),
        ])
        .assert_linearizable();
    }

    #[test]
    #[should_panic(expected = "after it had been replaced")]
    fn a_read_that_misses_the_first_write_is_found() {
        history(&[(0, 1, write(None, 1)), (2, 3, read(None))]).assert_linearizable();
    }

    #[test]
    #[should_panic(expected = "never written")]
    fn a_version_out_of_nowhere_is_found() {
        history(&[(0, 1, write(None, 1)), (2, 3, read(Some(7)))]).assert_linearizable();
    }
}
