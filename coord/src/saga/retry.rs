//! When a step that failed is run again.

use std::time::Duration;

/// How long to wait before an attempt.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say when to try again",
    label = "must be a retry policy, or a function `fn(attempt: u32) -> Option<Duration>`",
    note = "there are policies with a name too: `retry = \"fast\"`"
)]
pub trait Retry: Send + Sync + 'static {
    /// How long to wait before this attempt, or `None` to make no more. The first retry is attempt 2.
    fn delay(&self, attempt: u32) -> Option<Duration>;
}

#[diagnostic::do_not_recommend]
impl<F> Retry for F
where
    F: Fn(u32) -> Option<Duration> + Send + Sync + 'static,
{
    fn delay(&self, attempt: u32) -> Option<Duration> {
        self(attempt)
    }
}

/// The policies that have a name: retries whose delays double up to a longest one.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    retries: u32,
    first: Duration,
    longest: Duration,
}

impl RetryPolicy {
    /// `retry = "fast"`: 10, from 50 ms to 1 s.
    pub fn fast() -> Self {
        Self::new(10, Duration::from_millis(50), Duration::from_secs(1))
    }

    /// `retry = "conservative"`: 20, from 500 ms to 30 s.
    pub fn conservative() -> Self {
        Self::new(20, Duration::from_millis(500), Duration::from_secs(30))
    }

    fn new(retries: u32, first: Duration, longest: Duration) -> Self {
        Self {
            retries,
            first,
            longest,
        }
    }
}

/// `retry = "default"`: 50, from 100 ms to 10 s.
impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new(50, Duration::from_millis(100), Duration::from_secs(10))
    }
}

impl Retry for RetryPolicy {
    fn delay(&self, attempt: u32) -> Option<Duration> {
        let retry = attempt.saturating_sub(2);
        let delay = self.first.saturating_mul(2_u32.saturating_pow(retry));
        (retry < self.retries).then(|| delay.min(self.longest))
    }
}

/// For compensations of steps that say nothing of retries.
pub(super) fn of_compensations(attempt: u32) -> Option<Duration> {
    RetryPolicy::fast().delay(attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_end() {
        let policy = RetryPolicy::fast();
        let delay = |attempt| policy.delay(attempt).map(|delay| delay.as_millis());
        assert_eq!(delay(2), Some(50));
        assert_eq!(delay(4), Some(200));
        assert_eq!(delay(11), Some(1_000));
        assert_eq!(delay(12), None);
        assert_eq!(delay(u32::MAX), None);
        let longest = RetryPolicy::default().delay(51);
        assert_eq!(longest, Some(Duration::from_secs(10)));
    }
}
