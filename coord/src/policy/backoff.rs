//! How long to wait before each retry.

use std::time::Duration;

use super::jitter::{Jitter, between, scaled};

/// Draws of [`Jitter::Decorrelated`] depend on the ones before; after so many, on where it began no more.
const LONGEST_MEMORY: u32 = 64;

/// The delays of a policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) initial: Duration,
    pub(super) longest: Duration,
    pub(super) multiplier: f64,
    pub(super) jitter: Jitter,
}

/// The delays of one call, in turn.
#[derive(Debug)]
pub(super) struct Delays {
    backoff: Backoff,
    previous: Duration,
}

impl Backoff {
    /// The delays of a call.
    pub(super) fn delays(self) -> Delays {
        Delays {
            backoff: self,
            previous: self.initial,
        }
    }

    /// A delay as it could be before the attempt `attempt`, counted from 1.
    pub(super) fn sample(self, attempt: u32) -> Duration {
        let Some(retry) = attempt.checked_sub(1).filter(|retry| *retry > 0) else {
            return Duration::ZERO;
        };
        let mut delays = self.delays();
        let first = match self.jitter {
            Jitter::Decorrelated => retry.saturating_sub(LONGEST_MEMORY).max(1),
            _ => retry,
        };
        for retry in first..retry {
            delays.next(retry, None);
        }
        delays.next(retry, None)
    }

    /// What the delay before a retry, counted from 1, is without chance.
    fn height(self, retry: u32) -> Duration {
        let exponent = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
        scaled(self.initial, self.multiplier.powi(exponent)).min(self.longest)
    }
}

impl Delays {
    /// The delay before a retry, counted from 1. `floor` is what a server asked for: less is not waited, and
    /// chance comes on top, but the longest delay bounds it too.
    pub(super) fn next(&mut self, retry: u32, floor: Option<Duration>) -> Duration {
        let Backoff {
            initial,
            longest,
            jitter,
            ..
        } = self.backoff;
        let height = self.backoff.height(retry);
        let drawn = jitter.draw(height, initial, self.previous).min(longest);
        self.previous = drawn;
        match floor {
            Some(floor) if floor > drawn && jitter.is_random() => {
                between(floor, floor.saturating_add(height)).min(longest)
            }
            Some(floor) => drawn.max(floor).min(longest),
            None => drawn,
        }
    }
}
