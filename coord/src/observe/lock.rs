//! What is told of locks.

use std::time::Duration;

use tracing::{debug, warn};

use super::Event;
use super::series::{Counter, Histogram, Label, Registry, Series};
use crate::metrics;

static LOCKS: Registry<LockSeries> = Registry::new();

/// Something that happened to a lock.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LockEvent {
    /// It was got, after this long and this many requests.
    Acquired { waited: Duration, attempts: u32 },
    /// It was not free for one who did not wait.
    Refused,
    /// It was not free within the wait.
    TimedOut { waited: Duration },
    /// The store failed, or the request made no sense.
    Failed,
    /// It was given back after this long.
    Released { held: Duration },
    /// It was lost after this long.
    Lost { held: Duration },
}

impl Event for LockEvent {
    /// The template.
    type Subject<'a> = &'static str;

    fn tell(self, template: &'static str) {
        let series = LOCKS.of(template);
        match self {
            Self::Acquired { waited, attempts } => {
                series.acquired.increment();
                series.acquisition_seconds.record(waited.as_secs_f64());
                series.contention_attempts.record(f64::from(attempts));
                debug!(template, ?waited, attempts, "lock acquired");
            }
            Self::Refused => {
                series.failed.increment();
                debug!(template, "lock not free");
            }
            Self::TimedOut { waited } => {
                series.failed.increment();
                series.timeout.increment();
                debug!(template, ?waited, "lock not free in time");
            }
            Self::Failed => {
                series.failed.increment();
                warn!(template, "lock failed");
            }
            Self::Released { held } => {
                series.released.increment();
                series.held_seconds.record(held.as_secs_f64());
                debug!(template, ?held, "lock released");
            }
            Self::Lost { held } => {
                series.lost.increment();
                series.held_seconds.record(held.as_secs_f64());
                warn!(template, ?held, "lock lost while it was needed");
            }
        }
    }
}

/// What is counted of the locks of one template.
struct LockSeries {
    acquired: Counter,
    failed: Counter,
    released: Counter,
    timeout: Counter,
    lost: Counter,
    acquisition_seconds: Histogram,
    held_seconds: Histogram,
    contention_attempts: Histogram,
}

impl Series for LockSeries {
    fn new(template: &'static str) -> Self {
        let labels = &[Label::from_static_parts("template", template)];
        Self {
            acquired: Counter::new(&metrics::LOCK_ACQUIRED, labels),
            failed: Counter::new(&metrics::LOCK_FAILED, labels),
            released: Counter::new(&metrics::LOCK_RELEASED, labels),
            timeout: Counter::new(&metrics::LOCK_TIMEOUT, labels),
            lost: Counter::new(&metrics::LOCK_LOST, labels),
            acquisition_seconds: Histogram::new(&metrics::LOCK_ACQUISITION_SECONDS, labels),
            held_seconds: Histogram::new(&metrics::LOCK_HELD_SECONDS, labels),
            contention_attempts: Histogram::new(&metrics::LOCK_ATTEMPTS, labels),
        }
    }
}
