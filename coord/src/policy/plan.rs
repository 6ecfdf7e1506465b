//! What to do for one call: what its caller said, and what its policy says.

use std::any::Any;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::time::Duration;

use super::breaker::CircuitBreaker;
use super::budget::RetryBudget;
use super::retry::RetryPolicy;
use super::start::Start;
use crate::error::Error;
use crate::observe::RetryLabel;

/// A call that is retried, from [`RetryPolicy::run`](super::RetryPolicy::run). Await it.
#[must_use = "nothing is called until this is awaited"]
pub struct Retry<'a, E, S> {
    pub(super) plan: Plan<'a, E>,
    pub(super) start: S,
}

/// What to do for one call.
pub struct Plan<'a, E> {
    pub(super) policy: &'a RetryPolicy,
    pub(super) label: &'a RetryLabel,
    pub(super) budget: Option<&'a RetryBudget>,
    retry_if: Option<Predicate<'a, E>>,
    retry_after: Option<RetryAfter<'a, E>>,
    /// Finds an error of ours that an attempt ended with.
    pub(super) own: fn(&E) -> Option<&Error>,
    /// Boxed, since few calls have any, and a plan is moved.
    pub(super) limits: Option<Box<Limits<'a, E>>>,
}

/// A box without an allocation, for a closure that captures nothing.
type Predicate<'a, E> = Box<dyn FnMut(&E) -> bool + Send + 'a>;
type RetryAfter<'a, E> = Box<dyn FnMut(&E) -> Option<Duration> + Send + 'a>;

/// What can end a call with an error of ours.
pub(crate) struct Limits<'a, E> {
    pub(super) deadline: Option<Duration>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) breaker: Option<&'a CircuitBreaker>,
    pub(super) failed: fn(Error) -> E,
}

impl<'a, E, S> Retry<'a, E, S> {
    /// Retries only errors for which this is true. The default is all of them. An attempt that was cut off by
    /// [`attempt_timeout`](Self::attempt_timeout) is retried in any case.
    pub fn retry_if(mut self, is_worth_it: impl FnMut(&E) -> bool + Send + 'a) -> Self {
        self.plan = self.plan.retry_if(is_worth_it);
        self
    }

    /// How long the server asked to be left alone, as in a `Retry-After` header. It is the floor of the delay, with
    /// jitter on top, unless it is longer than the policy's `max_delay`, which bounds every delay. A deadline that comes
    /// before makes the call return its error at once.
    pub fn retry_after(mut self, asked: impl FnMut(&E) -> Option<Duration> + Send + 'a) -> Self {
        self.plan = self.plan.retry_after(asked);
        self
    }

    /// Retries only as far as this budget, shared with others, allows.
    pub fn with_budget(mut self, budget: &'a RetryBudget) -> Self {
        self.plan = self.plan.budget(budget);
        self
    }

    /// How long all attempts together may take, delays included. The attempt that is under way then is
    /// dropped: [`Error::DeadlineExceeded`]. An attempt that could only start after it is not waited for: the
    /// error of the last one is returned at once.
    pub fn deadline(mut self, deadline: Duration) -> Self
    where
        E: From<Error>,
    {
        self.plan = self.plan.limit(E::from, |limits| limits.deadline(deadline));
        self
    }

    /// How long one attempt may take. One that takes longer is dropped, and counts as failed:
    /// [`Error::AttemptTimeout`], if it was the last.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self
    where
        E: From<Error>,
    {
        self.plan = self
            .plan
            .limit(E::from, |limits| limits.attempt_timeout(timeout));
        self
    }

    /// Makes each attempt through a circuit breaker, and stops retrying when it is open:
    /// [`Error::CircuitOpen`]. An error that is not worth a retry tells the breaker nothing, nor does one of
    /// ours that only says that the caller was turned away, such as [`Error::LockTimeout`].
    pub fn with_breaker(mut self, breaker: &'a CircuitBreaker) -> Self
    where
        E: From<Error> + 'static,
    {
        self.plan = self.plan.limit(E::from, |limits| limits.breaker(breaker));
        self.plan.own = own_error;
        self
    }
}

/// An error of ours, where that is the body's error type.
pub(super) fn own_error<E: 'static>(error: &E) -> Option<&Error> {
    (error as &dyn Any).downcast_ref()
}

impl<'a, E, S> IntoFuture for Retry<'a, E, S>
where
    S: Start<Plan<'a, E>>,
{
    type Output = <S::Future as Future>::Output;
    type IntoFuture = S::Future;

    fn into_future(self) -> S::Future {
        self.start.start(self.plan)
    }
}

impl<E, S> fmt::Debug for Retry<'_, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("name", &self.plan.label.name())
            .finish_non_exhaustive()
    }
}

impl<'a, E> Plan<'a, E> {
    pub(super) fn new(policy: &'a RetryPolicy) -> Self {
        Self {
            policy,
            label: &policy.label,
            budget: None,
            retry_if: None,
            retry_after: None,
            own: |_| None,
            limits: None,
        }
    }

    /// The same, told of under another name.
    pub(crate) fn label(mut self, label: &'a RetryLabel) -> Self {
        self.label = label;
        self
    }

    /// The same, with another way to find errors of ours.
    pub(crate) fn own(mut self, own: fn(&E) -> Option<&Error>) -> Self {
        self.own = own;
        self
    }

    pub(crate) fn retry_if(mut self, is_worth_it: impl FnMut(&E) -> bool + Send + 'a) -> Self {
        self.retry_if = Some(Box::new(is_worth_it));
        self
    }

    pub(crate) fn retry_after(
        mut self,
        asked: impl FnMut(&E) -> Option<Duration> + Send + 'a,
    ) -> Self {
        self.retry_after = Some(Box::new(asked));
        self
    }

    pub(crate) fn budget(mut self, budget: &'a RetryBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Sets a limit; `failed` makes the error of a call that meets one.
    pub(crate) fn limit(
        mut self,
        failed: fn(Error) -> E,
        set: impl FnOnce(Limits<'a, E>) -> Limits<'a, E>,
    ) -> Self {
        let limits = self.limits.map(|limits| *limits);
        self.limits = Some(Box::new(set(limits.unwrap_or(Limits {
            deadline: None,
            attempt_timeout: None,
            breaker: None,
            failed,
        }))));
        self
    }

    /// Whether an error of the body is worth a retry.
    pub(super) fn is_worth_it(&mut self, error: &E) -> bool {
        self.retry_if
            .as_mut()
            .is_none_or(|is_worth_it| is_worth_it(error))
    }

    /// How long the server asked to be left alone.
    pub(super) fn floor(&mut self, error: &E) -> Option<Duration> {
        self.retry_after.as_mut().and_then(|asked| asked(error))
    }
}

impl<'a, E> Limits<'a, E> {
    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    pub(crate) fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    pub(crate) fn breaker(mut self, breaker: &'a CircuitBreaker) -> Self {
        self.breaker = Some(breaker);
        self
    }
}
