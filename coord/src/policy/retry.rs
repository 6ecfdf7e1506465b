//! How often to try again, and when.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::backoff::Backoff;
use super::call::run;
use super::jitter::Jitter;
use super::plan::{Plan, Retry};
use super::start::Start;
use crate::observe::RetryLabel;

/// How often a call that failed is made again, and how long is waited before.
///
/// Each delay is the one before, multiplied, up to a longest delay, and spread at random ([`Jitter`]).
///
/// | policy | retries | delays |
/// |---|---|---|
/// | [`fast`](Self::fast) | 10 | 50 ms to 1 s |
/// | [`default`](Self::default) | 50 | 100 ms to 10 s |
/// | [`conservative`](Self::conservative) | 20 | 500 ms to 30 s |
///
/// All of them double their delays and spread them by ±25 %. A policy is cheap to make and to clone; one
/// that is kept also keeps its metrics at hand.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// use std::time::Duration;
/// use coord::{Jitter, RetryPolicy};
/// # use std::cell::Cell;
/// # #[derive(Debug)] enum Failure { Busy, Refused }
/// # let calls = Cell::new(0);
/// # let fetch = async || { calls.set(calls.get() + 1); if calls.get() < 3 { Err(Failure::Busy) } else { Ok(42) } };
///
/// let policy = RetryPolicy::builder()
///     .max_retries(30)
///     .initial_delay(Duration::from_millis(100))
///     .max_delay(Duration::from_secs(15))
///     .multiplier(2.5)
///     .jitter(Jitter::Full)
///     .build();
/// let answer = policy
///     .run(async || fetch().await)
///     .retry_if(|error| matches!(error, Failure::Busy))
///     .await?;
/// # let _ = Failure::Refused;
/// # assert_eq!((answer, calls.get()), (42, 3)); Ok::<(), Failure>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct RetryPolicy {
    pub(super) label: RetryLabel,
    pub(super) max_retries: u32,
    pub(super) backoff: Backoff,
}

impl RetryPolicy {
    /// For calls that are answered in milliseconds: 10 retries, 50 ms to 1 s.
    pub fn fast() -> Self {
        Self::preset(
            "fast",
            10,
            Duration::from_millis(50),
            Duration::from_secs(1),
        )
    }

    /// For work that may wait: 20 retries, 500 ms to 30 s.
    pub fn conservative() -> Self {
        Self::preset(
            "conservative",
            20,
            Duration::from_millis(500),
            Duration::from_secs(30),
        )
    }

    /// A policy of one's own. What is not said is as in the [default](Self::default) policy.
    pub fn builder() -> RetryPolicyBuilder {
        Self::default().to_builder().name("retry")
    }

    /// A builder that starts from this policy.
    pub fn to_builder(&self) -> RetryPolicyBuilder {
        RetryPolicyBuilder {
            policy: self.clone(),
        }
    }

    /// How many times a call is made again at most.
    pub fn max_retries(&self) -> u32 {
        self.max_retries
    }

    /// How long would be waited before this attempt. Attempts are counted from 1: before the first, nothing
    /// is waited; before the second, about the initial delay. With jitter, each call of this gives another
    /// answer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use coord::{Jitter, RetryPolicy};
    ///
    /// let policy = RetryPolicy::builder().initial_delay(Duration::from_millis(100)).jitter(Jitter::None).build();
    /// assert_eq!(policy.delay(1), Duration::ZERO);
    /// assert_eq!(policy.delay(2), Duration::from_millis(100));
    /// assert_eq!(policy.delay(4), Duration::from_millis(400));
    /// ```
    pub fn delay(&self, attempt: u32) -> Duration {
        self.backoff.sample(attempt)
    }

    /// How long to wait before this attempt, if the policy has so many.
    pub(crate) fn delay_if_any(&self, attempt: u32) -> Option<Duration> {
        (attempt.saturating_sub(1) <= self.max_retries).then(|| self.delay(attempt))
    }

    /// Makes the call that `body` makes, again and again until it succeeds, fails in a way that is not worth
    /// a retry, or the policy is at its end. Awaiting what this returns gives the result of the last attempt,
    /// in the body's own types; options can be chained before.
    ///
    /// The body is a closure that can be called several times: `async || fetch(&client).await`. It borrows
    /// from around it; what it changes belongs into a `Cell`, an atomic or a mutex, or into an
    /// `|| async move { … }` that clones what each attempt takes.
    ///
    /// A first attempt that succeeds costs next to nothing beyond the call: no allocation, no clock, no timer,
    /// no metrics.
    /// A retry allocates, and so does a call with a limit such as a deadline.
    ///
    /// # Errors
    ///
    /// The error of the last attempt. With [`deadline`](Retry::deadline),
    /// [`attempt_timeout`](Retry::attempt_timeout) or [`with_breaker`](Retry::with_breaker) an attempt can
    /// also be cut off or not be made at all, so there the body's error must be one that
    /// [`Error`](crate::Error) converts into.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the attempt that is under way and makes no other. Nothing outlives the
    /// process. A panic of the body is not retried.
    pub fn run<F, Body, T, E>(
        &self,
        body: F,
    ) -> Retry<'_, E, impl Start<Plan<'_, E>, Future = impl Future<Output = Result<T, E>>>>
    where
        F: FnMut() -> Body,
        Body: Future<Output = Result<T, E>>,
    {
        Retry {
            plan: self.plan(),
            start: move |plan| run(plan, body),
        }
    }

    /// What to do for one call.
    pub(crate) fn plan<E>(&self) -> Plan<'_, E> {
        Plan::new(self)
    }

    fn preset(name: &'static str, max_retries: u32, initial: Duration, longest: Duration) -> Self {
        Self {
            label: RetryLabel::new(name),
            max_retries,
            backoff: Backoff {
                initial,
                longest,
                multiplier: 2.0,
                jitter: Jitter::Proportional(0.25),
            },
        }
    }
}

impl Default for RetryPolicy {
    /// 50 retries, 100 ms to 10 s.
    fn default() -> Self {
        Self::preset(
            "default",
            50,
            Duration::from_millis(100),
            Duration::from_secs(10),
        )
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("name", &self.label.name())
            .field("max_retries", &self.max_retries)
            .field("initial_delay", &self.backoff.initial)
            .field("max_delay", &self.backoff.longest)
            .field("multiplier", &self.backoff.multiplier)
            .field("jitter", &self.backoff.jitter)
            .finish()
    }
}

/// Puts a [`RetryPolicy`] together.
#[derive(Debug, Clone)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct RetryPolicyBuilder {
    policy: RetryPolicy,
}

impl RetryPolicyBuilder {
    /// The name in metrics, spans and events; `retry` by default. Policies that share one share their series.
    pub fn name(mut self, name: &'static str) -> Self {
        self.policy.label = RetryLabel::new(name);
        self
    }

    /// How many times a call is made again at most; 50 by default, zero for never.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.policy.max_retries = retries;
        self
    }

    /// The delay before the first retry, spread by the jitter; 100 ms by default.
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.policy.backoff.initial = delay;
        self
    }

    /// No delay is longer than this, whatever the jitter or the server says; 10 s by default.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.policy.backoff.longest = delay;
        self
    }

    /// How much longer each delay is than the one before; 2 by default, and 1 for what is less than 1.
    pub fn multiplier(mut self, multiplier: f64) -> Self {
        self.policy.backoff.multiplier = if multiplier > 1.0 { multiplier } else { 1.0 };
        self
    }

    /// How delays are spread; by ±25 % by default.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.policy.backoff.jitter = jitter;
        self
    }

    /// The policy.
    pub fn build(self) -> RetryPolicy {
        self.policy
    }
}
