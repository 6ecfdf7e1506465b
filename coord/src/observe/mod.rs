//! What the outside can see: metrics through the `metrics` facade and events through `tracing`, both from
//! one [`emit`], so that neither forgets what the other tells.
//!
//! Labels carry the key's *template*. A rendered key never gets into a label, a span or an event.

pub(crate) mod names;

use std::time::Duration;

use metrics::{counter, histogram};
use tracing::{debug, warn};

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

/// Tells metrics and tracing of `event` at the lock of `template`.
pub(crate) fn emit(template: &'static str, event: LockEvent) {
    match event {
        LockEvent::Acquired { waited, attempts } => {
            counter!(names::LOCK_ACQUIRED, "template" => template).increment(1);
            histogram!(names::LOCK_ACQUISITION, "template" => template).record(waited);
            histogram!(names::LOCK_CONTENTION, "template" => template).record(attempts);
            debug!(template, ?waited, attempts, "lock acquired");
        }
        LockEvent::Refused => {
            counter!(names::LOCK_FAILED, "template" => template, "reason" => "busy").increment(1);
            debug!(template, "lock not free");
        }
        LockEvent::TimedOut { waited } => {
            counter!(names::LOCK_FAILED, "template" => template, "reason" => "timeout").increment(1);
            counter!(names::LOCK_TIMEOUT, "template" => template).increment(1);
            debug!(template, ?waited, "lock not free in time");
        }
        LockEvent::Failed => {
            counter!(names::LOCK_FAILED, "template" => template, "reason" => "error").increment(1);
            warn!(template, "lock failed");
        }
        LockEvent::Released { held } => {
            counter!(names::LOCK_RELEASED, "template" => template).increment(1);
            histogram!(names::LOCK_HELD, "template" => template).record(held);
            debug!(template, ?held, "lock released");
        }
        LockEvent::Lost { held } => {
            counter!(names::LOCK_LOST, "template" => template).increment(1);
            histogram!(names::LOCK_HELD, "template" => template).record(held);
            warn!(template, ?held, "lock lost while it was needed");
        }
    }
}
