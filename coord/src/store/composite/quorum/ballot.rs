//! Ballots, which order proposals.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// What orders proposals. No two are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Ballot {
    pub(super) round: u64,
    pub(super) by: u64,
}

impl Ballot {
    /// Before all others.
    pub(super) const NONE: Self = Self { round: 0, by: 0 };
}

/// Makes ballots that follow the time.
#[derive(Debug)]
pub(super) struct BallotClock {
    started: Instant,
    at: Duration,
    last: AtomicU64,
}

impl BallotClock {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            at: since_epoch(),
            last: AtomicU64::new(0),
        }
    }

    /// A ballot greater than `seen` and all that were made here.
    pub(super) fn ballot(&self, seen: Ballot) -> Ballot {
        // The standard clock can be set back; tokio's stops while the machine sleeps.
        let now = since_epoch().max(self.at + self.started.elapsed());
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let at_least = now.max(seen.round.saturating_add(1));
        let before = self.last.fetch_max(at_least, Ordering::Relaxed);
        Ballot {
            round: at_least.max(before),
            by: rand::random(),
        }
    }
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
