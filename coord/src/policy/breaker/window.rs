//! How many of the calls of the last while failed.

use std::time::Duration;

use tokio::time::Instant;

/// The window slides in so many steps.
const SLOTS: usize = 10;

/// Counts of calls, by when they ended.
#[derive(Debug)]
pub(super) struct Window {
    slots: [Slot; SLOTS],
    /// All slots together.
    sum: Slot,
    /// How many nanoseconds a slot lasts.
    step: u64,
    began: Instant,
    /// The newest slot, counted from the beginning.
    newest: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    calls: u64,
    failures: u64,
}

impl Window {
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        Self {
            slots: [Slot::default(); SLOTS],
            sum: Slot::default(),
            step: (nanoseconds(length) / SLOTS as u64).max(1),
            began: now,
            newest: 0,
        }
    }

    /// Counts a call that ended now.
    pub(super) fn count(&mut self, failed: bool, now: Instant) {
        self.slide_to(now);
        self.slots[index(self.newest)].count(failed);
        self.sum.count(failed);
    }

    /// The part of the calls that failed, if there were enough.
    pub(super) fn failure_rate(&self, minimum_calls: u32) -> Option<f64> {
        let Slot { calls, failures } = self.sum;
        if calls == 0 || calls < u64::from(minimum_calls) {
            return None;
        }
        #[allow(clippy::cast_precision_loss)]
        Some(failures as f64 / calls as f64)
    }

    /// Empties the slots that have become too old since the last call.
    fn slide_to(&mut self, now: Instant) {
        let age = nanoseconds(now.saturating_duration_since(self.began));
        let newest = (age / self.step).max(self.newest);
        let passed = (newest - self.newest).min(SLOTS as u64);
        for slot in 0..passed {
            let old = std::mem::take(&mut self.slots[index(newest - slot)]);
            self.sum.calls -= old.calls;
            self.sum.failures -= old.failures;
        }
        self.newest = newest;
    }
}

impl Slot {
    fn count(&mut self, failed: bool) {
        self.calls += 1;
        self.failures += u64::from(failed);
    }
}

/// Good for some centuries.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn index(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or(0)
}
