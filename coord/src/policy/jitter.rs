//! Spreading retries, so that callers who failed together do not come back together.

use std::time::Duration;

/// How a delay is drawn at random. `h` is the height of the backoff: the initial delay, multiplied for each
/// retry before, and never more than the longest delay.
///
/// Whatever is drawn is capped once more by the longest delay. Every draw is made anew: no two calls share a
/// sequence.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// Exactly `h`.
    None,
    /// Anything from zero to `h`: the widest spread, and the least load after an outage.
    Full,
    /// Anything from half of `h` to `h`: never next to nothing.
    Equal,
    /// Anything from the initial delay to three times the previous delay. The multiplier is not used.
    Decorrelated,
    /// `h`, more or less this part of it: `0.25` is ±25 %. What is not within zero and one is taken to the
    /// nearest of them.
    Proportional(f64),
}

impl Jitter {
    /// Whether there is chance in it.
    pub(super) fn is_random(self) -> bool {
        self != Self::None && self != Self::Proportional(0.0)
    }

    /// A delay for a backoff of `height`, where the one before was `previous`. It may be above the cap.
    pub(super) fn draw(self, height: Duration, initial: Duration, previous: Duration) -> Duration {
        match self {
            Self::None => height,
            Self::Full => between(Duration::ZERO, height),
            Self::Equal => between(height / 2, height),
            Self::Decorrelated => between(initial, previous.saturating_mul(3)),
            Self::Proportional(part) => {
                let part = if part > 0.0 { part.min(1.0) } else { 0.0 };
                between(scaled(height, 1.0 - part), scaled(height, 1.0 + part))
            }
        }
    }
}

/// A random duration from `low` to `high`.
pub(super) fn between(low: Duration, high: Duration) -> Duration {
    low.saturating_add(scaled(high.saturating_sub(low), rand::random()))
}

/// `duration * factor`, or the longest duration there is. A factor that is no number gives zero.
pub(super) fn scaled(duration: Duration, factor: f64) -> Duration {
    let seconds = duration.as_secs_f64() * factor;
    if seconds.is_nan() || seconds <= 0.0 {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
