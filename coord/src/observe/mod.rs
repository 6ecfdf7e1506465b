//! What the outside can see: metrics through the `metrics` facade and events through `tracing`, both from
//! one [`emit`], so that neither forgets what the other tells.
//!
//! Labels carry the key's *template*. A rendered key never gets into a label, a span or an event.

mod idempotency;
mod saga;
mod series;

use std::time::Duration;

use tracing::{debug, warn};

pub(crate) use self::idempotency::IdempotencyEvent;
pub(crate) use self::saga::SagaEvent;
use self::series::LockSeries;

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

/// Something that happened, and how it is told.
pub(crate) trait Event {
    fn tell(self, template: &'static str);
}

/// Tells metrics and tracing of `event` at the key of `template`.
pub(crate) fn emit(template: &'static str, event: impl Event) {
    event.tell(template);
}

impl Event for LockEvent {
    fn tell(self, template: &'static str) {
        let series = LockSeries::of(template);
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
