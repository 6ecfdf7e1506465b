//! How many of the calls of the last while failed.

use std::time::Duration;

use tokio::time::Instant;

/// The window slides in so many steps.
const SLOTS: usize = 10;

/// Counts of calls, by when they ended.
#[derive(Debug)]
pub(super) struct Window {
    slots: [Slot; SLOTS],
    length: Duration,
    began: Instant,
    /// The newest slot, counted from the beginning.
    newest: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    calls: u32,
    failures: u32,
}

impl Window {
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        Self {
            slots: [Slot::default(); SLOTS],
            length,
            began: now,
            newest: 0,
        }
    }

    /// Counts a call that ended now.
    pub(super) fn count(&mut self, failed: bool, now: Instant) {
        self.slide_to(now);
        let slot = &mut self.slots[index(self.newest)];
        slot.calls = slot.calls.saturating_add(1);
        slot.failures = slot.failures.saturating_add(u32::from(failed));
    }

    /// The part of the calls that failed, if there were enough.
    pub(super) fn failure_rate(&self, minimum_calls: u32) -> Option<f64> {
        let sum = |of: fn(&Slot) -> u32| -> u64 {
            self.slots.iter().map(|slot| u64::from(of(slot))).sum()
        };
        let (calls, failures) = (sum(|slot| slot.calls), sum(|slot| slot.failures));
        if calls == 0 || calls < u64::from(minimum_calls) {
            return None;
        }
        #[allow(clippy::cast_precision_loss)]
        Some(failures as f64 / calls as f64)
    }

    /// Empties the slots that have become too old since the last call.
    fn slide_to(&mut self, now: Instant) {
        let step = (self.length.as_nanos() / SLOTS as u128).max(1);
        let age = now.saturating_duration_since(self.began).as_nanos();
        let newest = u64::try_from(age / step)
            .unwrap_or(u64::MAX)
            .max(self.newest);
        let passed = (newest - self.newest).min(SLOTS as u64);
        for slot in 0..passed {
            self.slots[index(newest - slot)] = Slot::default();
        }
        self.newest = newest;
    }
}

fn index(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or(0)
}
