//! Time as a holder of a lease must count it.
//!
//! A lease ends by the store's clock. What this process may believe is a deadline of its own, which must
//! come first: counted from when the request was *sent*, shortened by a margin for clocks that run at
//! different speeds, and on clocks that see everything that the store's clock sees. Two are read, and the
//! one that ran further counts: tokio's, which tests can pause and advance, and on Linux the boot-time
//! clock, which goes on while the machine is suspended.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

/// The part of a ttl that is left out for clocks that run at different speeds: one hundredth.
const DRIFT_DIVISOR: u32 = 100;
/// What is left out besides, for the store's own rounding of times to milliseconds.
const MARGIN: Duration = Duration::from_millis(2);

/// A point in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    tokio: Instant,
    boot: Duration,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            tokio: Instant::now(),
            boot: since_boot(),
        }
    }

    /// The same on tokio's clock alone, for timers.
    pub(crate) fn instant(self) -> Instant {
        self.tokio
    }

    /// How long ago this was, by the clock that ran further.
    pub(crate) fn elapsed(self) -> Duration {
        self.until(Self::now())
    }

    /// How much later `later` is, by the clock that ran further.
    pub(crate) fn until(self, later: Self) -> Duration {
        let tokio = later.tokio.saturating_duration_since(self.tokio);
        tokio.max(later.boot.saturating_sub(self.boot))
    }
}

/// The moment after which a lease must be taken for lost unless the store has said otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    sent: Moment,
    valid_for: Duration,
}

impl Deadline {
    /// The deadline of a lease of `ttl` whose request was sent at `sent`.
    pub(crate) fn of_lease(sent: Moment, ttl: Duration) -> Self {
        let margin = ttl / DRIFT_DIVISOR + MARGIN.min(ttl / 4);
        Self {
            sent,
            valid_for: ttl.saturating_sub(margin),
        }
    }

    /// The same, or `patience` after `now` if that comes first.
    pub(crate) fn within(self, patience: Duration, now: Moment) -> Self {
        let patience = self.sent.until(now).saturating_add(patience);
        Self {
            sent: self.sent,
            valid_for: self.valid_for.min(patience),
        }
    }

    /// The one of both that comes later.
    pub(crate) fn or_later(self, other: Self) -> Self {
        if other.instant() > self.instant() {
            other
        } else {
            self
        }
    }

    /// When half of the time is over; the deadline itself, if that is past.
    pub(crate) fn half(self) -> Self {
        let half = Self {
            sent: self.sent,
            valid_for: self.valid_for / 2,
        };
        if half.is_past() { self } else { half }
    }

    pub(crate) fn is_past(self) -> bool {
        self.is_past_at(Moment::now())
    }

    pub(crate) fn is_past_at(self, now: Moment) -> bool {
        self.sent.until(now) >= self.valid_for
    }

    /// The deadline on tokio's clock, as it looks from when the request was sent.
    pub(crate) fn instant(self) -> Instant {
        self.sent.instant() + self.valid_for
    }

    pub(crate) fn remaining(self) -> Duration {
        self.valid_for.saturating_sub(self.sent.elapsed())
    }

    /// Waits for `event`, until the deadline at the latest. Outside of a runtime there are no timers: then for as
    /// long as it takes.
    pub(crate) async fn limit(self, event: impl Future<Output = ()>) {
        match Handle::try_current() {
            Ok(_) => {
                let _ = timeout(self.remaining(), event).await;
            }
            Err(_) => event.await,
        }
    }
}

/// How long the machine has been up, the time that it was suspended included.
#[cfg(target_os = "linux")]
pub(crate) fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or(0),
        time.tv_nsec.try_into().unwrap_or(0),
    )
}

/// Elsewhere the standard clock is all there is; whether it counts suspended time is up to the system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn since_boot() -> Duration {
    Duration::ZERO
}
