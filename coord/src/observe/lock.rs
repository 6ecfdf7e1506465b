//! What is told of locks.

use std::fmt::Display;
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
    /// Whoever asked for it went away.
    Cancelled,
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
        if let Some(series) = LOCKS.heard(template) {
            self.count(series);
        }
        self.say(template);
    }
}

impl LockEvent {
    fn count(self, series: &LockSeries) {
        match self {
            Self::Acquired { waited, attempts } => {
                series.acquired.increment();
                series.acquisition_seconds.record(waited.as_secs_f64());
                series.contention_attempts.record(f64::from(attempts));
            }
            Self::Refused | Self::Failed => {
                series.failed.increment();
            }
            Self::TimedOut { .. } => {
                series.timeout.increment();
            }
            Self::Cancelled => {
                series.cancelled.increment();
            }
            Self::Released { held } => {
                series.released.increment();
                series.held_seconds.record(held.as_secs_f64());
            }
            Self::Lost { held } => {
                series.lost.increment();
                series.held_seconds.record(held.as_secs_f64());
            }
        }
    }

    fn say(self, template: &'static str) {
        match self {
            Self::Acquired { waited, attempts } => {
                debug!(template, ?waited, attempts, "lock acquired");
            }
            Self::Refused => {
                debug!(template, "lock not free");
            }
            Self::TimedOut { waited } => {
                debug!(template, ?waited, "lock not free in time");
            }
            Self::Cancelled => {
                debug!(template, "lock no longer wanted");
            }
            Self::Failed => {
                warn!(template, "lock failed");
            }
            Self::Released { held } => {
                debug!(template, ?held, "lock released");
            }
            Self::Lost { held } => {
                warn!(template, ?held, "lock lost while it was needed");
            }
        }
    }
}

/// Locks are taken in orders that contradict each other.
pub(crate) struct LockOrderEvent<'a> {
    /// What is taken inside of what, and where.
    pub(crate) cycle: &'a dyn Display,
}

impl Event for LockOrderEvent<'_> {
    /// The template of the lock whose asking closed the cycle.
    type Subject<'a> = &'static str;

    fn tell(self, template: &'static str) {
        if let Some(series) = LOCKS.heard(template) {
            series.order_cycles.increment();
        }
        warn!(
            template,
            cycle = %self.cycle,
            "locks are taken in orders that can deadlock: take them in one order, or together"
        );
    }
}

/// What is counted of the locks of one template.
struct LockSeries {
    acquired: Counter,
    failed: Counter,
    released: Counter,
    timeout: Counter,
    cancelled: Counter,
    lost: Counter,
    order_cycles: Counter,
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
            cancelled: Counter::new(&metrics::LOCK_CANCELLED, labels),
            lost: Counter::new(&metrics::LOCK_LOST, labels),
            order_cycles: Counter::new(&metrics::LOCK_ORDER_CYCLES, labels),
            acquisition_seconds: Histogram::new(&metrics::LOCK_ACQUISITION_SECONDS, labels),
            held_seconds: Histogram::new(&metrics::LOCK_HELD_SECONDS, labels),
            contention_attempts: Histogram::new(&metrics::LOCK_ATTEMPTS, labels),
        }
    }
}
