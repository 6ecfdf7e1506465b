//! What running a call through a breaker returns: first its options, then its result.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::time::Duration;

use super::CircuitBreaker;
use super::ticket::{Ticket, Verdict};
use crate::error::Error;
use crate::policy::plan::own_error;
use crate::policy::start::Start;

/// Why a call through a breaker gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerError<E> {
    /// The breaker is open. The call was not made.
    Open {
        /// How long it will be before the breaker lets a call through; earlier, if a probe under way succeeds.
        retry_after: Duration,
    },
    /// The call was made, and this is its error.
    Inner(E),
}

impl<E> BreakerError<E> {
    /// The call's own error, if it was made.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Open { .. } => None,
            Self::Inner(error) => Some(error),
        }
    }
}

impl<E: fmt::Display> fmt::Display for BreakerError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { retry_after } => write!(
                f,
                "the circuit breaker is open, so the call was not made: try again in {retry_after:?}"
            ),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for BreakerError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Open { .. } => None,
            Self::Inner(error) => error.source(),
        }
    }
}

/// A call through a breaker, from [`CircuitBreaker::run`]. Await it.
#[must_use = "nothing is called until this is awaited"]
pub struct Guarded<'a, E, S> {
    pub(super) options: Options<'a, E>,
    pub(super) start: S,
}

/// What can be said of a call.
pub struct Options<'a, E> {
    breaker: &'a CircuitBreaker,
    is_failure: Option<Predicate<'a, E>>,
}

/// A box without an allocation, for a closure that captures nothing.
type Predicate<'a, E> = Box<dyn FnOnce(&E) -> bool + Send + 'a>;

impl<'a, E, S> Guarded<'a, E, S> {
    /// Counts only errors for which this is true as failures. The others are neutral: neither failures nor
    /// successes.
    pub fn is_failure(mut self, is_failure: impl FnOnce(&E) -> bool + Send + 'a) -> Self {
        self.options.is_failure = Some(Box::new(is_failure));
        self
    }
}

impl<'a, E> Options<'a, E> {
    pub(super) fn of(breaker: &'a CircuitBreaker) -> Self {
        Self {
            breaker,
            is_failure: None,
        }
    }
}

impl<'a, E, S> IntoFuture for Guarded<'a, E, S>
where
    S: Start<Options<'a, E>>,
{
    type Output = <S::Future as Future>::Output;
    type IntoFuture = S::Future;

    fn into_future(self) -> S::Future {
        self.start.start(self.options)
    }
}

impl<E, S> fmt::Debug for Guarded<'_, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("breaker", self.options.breaker)
            .finish_non_exhaustive()
    }
}

/// Makes the call.
// An `async fn` would begin by copying its arguments, which costs more than all the rest.
#[allow(clippy::manual_async_fn)]
pub(super) fn run<F, T, E>(
    options: Options<'_, E>,
    body: F,
) -> impl Future<Output = Result<T, BreakerError<E>>>
where
    F: AsyncFnOnce() -> Result<T, E>,
    E: 'static,
{
    async move {
        let mut ticket = match Ticket::of(&options.breaker.shared) {
            Ok(ticket) => ticket,
            Err(retry_after) => return Err(BreakerError::Open { retry_after }),
        };
        let mut call = pin!(body());
        let result = poll_fn(|cx| ticket.poll(call.as_mut(), cx)).await;
        ticket.settle(verdict(&result, |error| match options.is_failure {
            Some(is_failure) => is_failure(error),
            None => own_error(error).is_none_or(Error::is_failure_of_a_call),
        }));
        result.map_err(BreakerError::Inner)
    }
}

/// The same for errors that can be one of ours.
pub(crate) async fn guard<Start, Body, T, E>(
    breaker: &CircuitBreaker,
    start: Start,
    is_failure: impl FnOnce(&E) -> bool,
) -> Result<T, E>
where
    Start: FnOnce() -> Body,
    Body: Future<Output = Result<T, E>>,
    E: From<Error>,
{
    let mut ticket = breaker.admit()?;
    let mut call = pin!(start());
    let result = poll_fn(|cx| ticket.poll(call.as_mut(), cx)).await;
    ticket.settle(verdict(&result, is_failure));
    result
}

fn verdict<T, E>(result: &Result<T, E>, is_failure: impl FnOnce(&E) -> bool) -> Verdict {
    match result {
        Ok(_) => Verdict::Success,
        Err(error) if is_failure(error) => Verdict::Failure,
        Err(_) => Verdict::Neutral,
    }
}
