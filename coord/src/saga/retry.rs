//! When a step that failed is run again.

use std::time::Duration;

/// How long to wait before an attempt.
pub trait Retry: Send + Sync + 'static {
    /// How long to wait before this attempt, or `None` to make no more. The first retry is attempt 2.
    fn delay(&self, attempt: u32) -> Option<Duration>;
}

impl<F> Retry for F
where
    F: Fn(u32) -> Option<Duration> + Send + Sync + 'static,
{
    fn delay(&self, attempt: u32) -> Option<Duration> {
        self(attempt)
    }
}

/// For compensations of steps that say nothing of retries: 10, from 50 ms to 1 s.
pub(super) fn of_compensations(attempt: u32) -> Option<Duration> {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);
    let retry = attempt.saturating_sub(2);
    (retry < 10).then(|| (FIRST * 2_u32.pow(retry)).min(LONGEST))
}
