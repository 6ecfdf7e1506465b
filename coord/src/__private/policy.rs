//! What generated code calls for `#[retry]` and `#[circuit_breaker]`.

use std::any::Any;
use std::borrow::Borrow;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use crate::error::Error;
use crate::observe::RetryLabel;
pub use crate::policy::{CircuitBreaker, Jitter, RetryPolicy};
use crate::policy::{RetryBudget, guard, run};

/// An error on its way through the layers of a stack of attributes.
#[derive(Debug)]
pub enum Raised<E> {
    /// A layer of ours failed.
    Own(Error),
    /// The body failed.
    Body(E),
}

impl<E> From<Error> for Raised<E> {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

/// An error of the body is remembered as it would be without a policy, and one of ours is not.
impl<E: Serialize> Serialize for Raised<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Own(_) => Err(ser::Error::custom("an error of coord is not remembered")),
            Self::Body(error) => error.serialize(serializer),
        }
    }
}

impl<'de, E: Deserialize<'de>> Deserialize<'de> for Raised<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        E::deserialize(deserializer).map(Self::Body)
    }
}

impl<E: 'static> Raised<E> {
    /// The error of ours that it is, wherever it comes from.
    fn own(&self) -> Option<&Error> {
        match self {
            Self::Own(error) => Some(error),
            Self::Body(error) => (error as &dyn Any).downcast_ref(),
        }
    }
}

/// What a body returns, for the layers around it.
pub fn raised<R, T, E>(into_result: fn(R) -> Result<T, E>, returned: R) -> Result<T, Raised<E>> {
    into_result(returned).map_err(Raised::Body)
}

/// The result of all layers, as the function returns it.
pub fn settled<R, T, E>(
    failed: fn(Error) -> R,
    from_result: fn(Result<T, E>) -> R,
    result: Result<T, Raised<E>>,
) -> R {
    match result {
        Ok(success) => from_result(Ok(success)),
        Err(Raised::Body(error)) => from_result(Err(error)),
        Err(Raised::Own(error)) => failed(error),
    }
}

/// What a retried body can be given more than once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can be given to one attempt only, and a retry runs the body several times",
    label = "must be `Clone`: each attempt gets a clone",
    note = "take it by `&` or in an `Arc`, or derive `Clone` for it"
)]
pub trait Again {
    /// Another one of the same.
    fn again(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Again for T {
    fn again(&self) -> Self {
        self.clone()
    }
}

/// An argument for another attempt.
pub fn again<T: Again>(argument: &T) -> T {
    argument.again()
}

/// What a retried body can be given as `self` more than once.
#[diagnostic::on_unimplemented(
    message = "`self` can be given to one attempt only, and a retry runs the body several times",
    label = "must be `Copy`",
    note = "take `&self`"
)]
pub trait SelfAgain {}

#[diagnostic::do_not_recommend]
impl<T: Copy> SelfAgain for T {}

/// Checks that `self` can be given to another attempt.
pub fn self_again<T: SelfAgain>(_: &T) {}

/// Any error is worth a retry.
pub fn always<E>(_: &E) -> bool {
    true
}

/// No server asks for anything.
pub fn never<E>(_: &E) -> Option<Duration> {
    None
}

/// Any error of the body is a failure, unless it is one of ours that only says that the caller was turned away.
pub fn is_failure<E: 'static>(error: &E) -> bool {
    (error as &dyn Any)
        .downcast_ref()
        .is_none_or(Error::is_failure_of_a_call)
}

/// The name under which the calls of one function are told of.
#[derive(Debug)]
pub struct RetrySite(RetryLabel);

impl RetrySite {
    /// A site called `name`.
    pub const fn new(name: &'static str) -> Self {
        Self(RetryLabel::new(name))
    }
}

/// One call of a `#[retry]` function.
#[derive(Debug)]
#[must_use = "nothing is called until `run` is awaited"]
pub struct Retried {
    site: &'static RetrySite,
    policy: RetryPolicy,
    deadline: Option<Duration>,
    attempt_timeout: Option<Duration>,
    budget: Option<RetryBudget>,
    breaker: Option<CircuitBreaker>,
}

impl Retried {
    /// A call under `policy`.
    pub fn new(site: &'static RetrySite, policy: &RetryPolicy) -> Self {
        Self {
            site,
            policy: policy.clone(),
            deadline: None,
            attempt_timeout: None,
            budget: None,
            breaker: None,
        }
    }

    /// `deadline = …`
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// `attempt_timeout = …`
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// `budget = …`
    pub fn budget(mut self, budget: &RetryBudget) -> Self {
        self.budget = Some(budget.clone());
        self
    }

    /// `breaker = …`
    pub fn breaker(mut self, breaker: &CircuitBreaker) -> Self {
        self.breaker = Some(breaker.clone());
        self
    }

    /// Makes attempts, each of which `start` begins. An error of the layers inside is worth one if it says so
    /// itself, and one of the body if `condition` does. `into_result` is there for its type.
    pub async fn run<Start, Body, R, T, E>(
        self,
        into_result: fn(R) -> Result<T, E>,
        mut condition: impl FnMut(&E) -> bool + Send,
        mut asked: impl FnMut(&E) -> Option<Duration> + Send,
        start: Start,
    ) -> Result<T, Raised<E>>
    where
        Start: FnMut() -> Body,
        Body: Future<Output = Result<T, Raised<E>>>,
        E: 'static,
    {
        let _ = into_result;
        let mut plan = self
            .policy
            .plan()
            .label(&self.site.0)
            .own(Raised::own)
            .retry_if(move |error| match error {
                Raised::Own(error) => error.is_retryable(),
                Raised::Body(error) => condition(error),
            })
            .retry_after(move |error| match error {
                Raised::Own(_) => None,
                Raised::Body(error) => asked(error),
            });
        if let Some(budget) = &self.budget {
            plan = plan.budget(budget);
        }
        if let Some(deadline) = self.deadline {
            plan = plan.limit(Raised::Own, |limits| limits.deadline(deadline));
        }
        if let Some(timeout) = self.attempt_timeout {
            plan = plan.limit(Raised::Own, |limits| limits.attempt_timeout(timeout));
        }
        if let Some(breaker) = &self.breaker {
            plan = plan.limit(Raised::Own, |limits| limits.breaker(breaker));
        }
        run(plan, start).await
    }
}

/// One call of a `#[circuit_breaker]` function: through the breaker of that function, or through another.
#[derive(Debug, Clone)]
#[must_use = "nothing is called until `run` is awaited"]
pub struct Guarded<B = &'static CircuitBreaker>(B);

impl Guarded {
    /// A call through the breaker of the function.
    pub fn new(breaker: &'static CircuitBreaker) -> Self {
        Self(breaker)
    }
}

impl Guarded<CircuitBreaker> {
    /// `breaker = …`
    pub fn by(breaker: &CircuitBreaker) -> Self {
        Self(breaker.clone())
    }
}

impl<B: Borrow<CircuitBreaker>> Guarded<B> {
    /// Makes the call that `start` begins, unless the breaker is open. `into_result` is there for
    /// its type.
    pub async fn run<Start, Body, R, T, E>(
        self,
        into_result: fn(R) -> Result<T, E>,
        is_failure: impl FnOnce(&E) -> bool,
        start: Start,
    ) -> Result<T, Raised<E>>
    where
        Start: FnOnce() -> Body,
        Body: Future<Output = Result<T, Raised<E>>>,
    {
        let _ = into_result;
        let is_failure = |error: &Raised<E>| match error {
            Raised::Own(error) => error.is_failure_of_a_call(),
            Raised::Body(error) => is_failure(error),
        };
        guard(self.0.borrow(), start, is_failure).await
    }
}
