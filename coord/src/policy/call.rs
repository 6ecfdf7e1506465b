//! One call under a retry policy.
//!
//! What holds, whatever is combined:
//!
//! 1. An attempt is started only if the deadline has not passed, the breaker admits it, and, for a retry, the
//!    budget has paid for it. Nothing is waited for that cannot be followed by an attempt.
//! 2. Each attempt that a breaker admitted gives its permit back exactly once, however it ends: the ticket is
//!    part of the attempt's future.
//! 3. The result is that of the last attempt: the body's own, or ours if the attempt was cut off or refused.
//! 4. A first attempt that succeeds looks at no clock, unless it was given a time, and at no metrics.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Instrument, Span, field};

use super::backoff::Delays;
use super::breaker::{CircuitBreaker, Verdict};
use super::plan::{Limits, Plan};
use crate::context::Context;
use crate::error::Error;
use crate::observe::{GivenUp, RetryEvent, emit};

/// Makes the call. A first attempt without limits, which is all there is to most calls, stands here by itself;
/// the rest is boxed, so that such a call does not carry room for it.
// An `async fn` would begin by copying its arguments, which costs more than all the rest of such a call.
#[allow(clippy::manual_async_fn)]
pub(crate) fn run<F, Body, T, E>(
    mut plan: Plan<'_, E>,
    mut body: F,
) -> impl Future<Output = Result<T, E>>
where
    F: FnMut() -> Body,
    Body: Future<Output = Result<T, E>>,
{
    async move {
        if let Some(budget) = plan.budget {
            budget.deposit();
        }
        let mut first = None;
        if plan.limits.is_none() {
            match body().await {
                Ok(value) => return Ok(value),
                Err(error) => first = Some(error),
            }
        }
        Box::pin(Call::begin(&mut plan).run(first, body)).await
    }
}

/// A call under way.
struct Call<'p, 'a, E> {
    plan: &'p mut Plan<'a, E>,
    delays: Delays,
    /// When all of it has to be over.
    deadline: Option<Instant>,
    attempts: u32,
    /// Of the retries; there is none before the first.
    span: Span,
}

/// An attempt that failed, or was not made.
struct Failed<E> {
    error: E,
    /// What a server asked for.
    floor: Option<Duration>,
    next: Next,
}

/// What a failed attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Another one, if the policy has one left.
    Retry,
    /// Nothing: another one would fail as well.
    Return,
    /// Nothing, although another one could succeed.
    GiveUp(GivenUp),
}

/// The time that ran out.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Attempt(Duration),
    Deadline(Duration),
}

impl<'p, 'a, E> Call<'p, 'a, E> {
    fn begin(plan: &'p mut Plan<'a, E>) -> Self {
        let deadline = plan.limits.as_ref().and_then(|limits| limits.deadline);
        Self {
            delays: plan.policy.backoff.delays(),
            plan,
            // A deadline that no clock reaches is none.
            deadline: deadline.and_then(|deadline| Instant::now().checked_add(deadline)),
            attempts: 0,
            span: Span::none(),
        }
    }

    /// Makes attempts until one succeeds or there is no other. `first` is the error of one that was made.
    async fn run<F, Body, T>(mut self, first: Option<E>, mut body: F) -> Result<T, E>
    where
        F: FnMut() -> Body,
        Body: Future<Output = Result<T, E>>,
    {
        let mut ended = match first {
            None => self.attempt(&mut body).await,
            Some(error) => {
                self.attempts = 1;
                Err(self.judge(error).0)
            }
        };
        loop {
            let delay = match ended {
                Ok(value) => {
                    self.succeeded();
                    return Ok(value);
                }
                Err(failed) => self.delay_after(failed)?,
            };
            sleep(delay).await;
            ended = self.attempt(&mut body).await;
        }
    }

    async fn attempt<T, Body>(&mut self, body: &mut impl FnMut() -> Body) -> Result<T, Failed<E>>
    where
        Body: Future<Output = Result<T, E>>,
    {
        let Some(limits) = &self.plan.limits else {
            self.attempts = self.attempts.saturating_add(1);
            let result = body().instrument(self.span.clone()).await;
            return result.map_err(|error| self.judge(error).0);
        };
        let failed = limits.failed;
        let end = match limits.end(self.deadline) {
            Ok(end) => end,
            Err(cut) => return Err(cut.failed(failed)),
        };
        let mut ticket = match limits.breaker.map(CircuitBreaker::admit).transpose() {
            Ok(ticket) => ticket,
            Err(refusal) => return Err(refused(failed(refusal))),
        };
        self.attempts = self.attempts.saturating_add(1);
        // Pinned here, so that what goes around it holds it by reference.
        let attempt = pin!(body());
        let attempt = within(end, attempt.instrument(self.span.clone()));
        let mut attempt = pin!(attempt);
        let result = match &mut ticket {
            Some(ticket) => poll_fn(|cx| ticket.poll(attempt.as_mut(), cx)).await,
            None => attempt.await,
        };
        let (result, verdict) = match result {
            Ok(Ok(value)) => (Ok(value), Verdict::Success),
            Ok(Err(error)) => {
                let (failed, verdict) = self.judge(error);
                (Err(failed), verdict)
            }
            Err(cut) => (Err(cut.failed(failed)), Verdict::Failure),
        };
        if let Some(ticket) = &mut ticket {
            ticket.settle(verdict);
        }
        result
    }

    /// What an error of the body leads to, and what it tells the breaker.
    fn judge(&mut self, error: E) -> (Failed<E>, Verdict) {
        let own = (self.plan.own)(&error);
        let turned_away = own.is_some_and(|own| !own.is_failure_of_a_call());
        let next = if matches!(own, Some(Error::CircuitOpen { .. })) {
            Next::GiveUp(GivenUp::Circuit)
        } else if self.plan.is_worth_it(&error) {
            Next::Retry
        } else {
            Next::Return
        };
        let verdict = if turned_away || next == Next::Return {
            Verdict::Neutral
        } else {
            Verdict::Failure
        };
        let floor = match next {
            Next::Retry => self.plan.floor(&error),
            _ => None,
        };
        (Failed { error, floor, next }, verdict)
    }

    /// Tells of a success, unless it came at once: that is what most calls do, and is not worth a look-up.
    fn succeeded(&self) {
        let attempts = self.attempts;
        if attempts > 1 {
            self.record("succeeded");
            let _inside = self.span.enter();
            emit(self.plan.label, RetryEvent::Succeeded { attempts });
        }
    }

    /// How long to wait before the next attempt, or the error if there is none.
    fn delay_after(&mut self, failed: Failed<E>) -> Result<Duration, E> {
        let Failed { error, floor, next } = failed;
        let attempts = self.attempts;
        if next == Next::Return {
            self.record("failed");
            emit(self.plan.label, RetryEvent::Failed { attempts });
            return Err(error);
        }
        let delay = match next {
            Next::GiveUp(reason) => Err((error, reason)),
            _ => self.next_delay(error, floor),
        };
        match delay {
            Ok(delay) => {
                self.begin_span();
                let _inside = self.span.enter();
                emit(self.plan.label, RetryEvent::Again { attempts, delay });
                Ok(delay)
            }
            Err((error, reason)) => {
                self.record(reason.as_str());
                let _inside = self.span.enter();
                emit(self.plan.label, RetryEvent::GivenUp { attempts, reason });
                Err(error)
            }
        }
    }

    /// The delay before another attempt, or why there is none.
    fn next_delay(&mut self, error: E, floor: Option<Duration>) -> Result<Duration, (E, GivenUp)> {
        if self.attempts > self.plan.policy.max_retries {
            return Err((error, GivenUp::Retries));
        }
        let limits = self.plan.limits.as_ref();
        let refusal = limits.and_then(|limits| Some((limits.failed, limits.breaker?.refusal()?)));
        if let Some((failed, refusal)) = refusal {
            return Err((failed(refusal), GivenUp::Circuit));
        }
        let delay = self.delays.next(self.attempts, floor);
        let too_late = |deadline: Instant| deadline.duration_since(Instant::now()) <= delay;
        if self.deadline.is_some_and(too_late) {
            return Err((error, GivenUp::Deadline));
        }
        if self.plan.budget.is_some_and(|budget| !budget.withdraw()) {
            return Err((error, GivenUp::Budget));
        }
        Ok(delay)
    }

    fn begin_span(&mut self) {
        if self.span.is_none() {
            let context = Context::current();
            self.span = tracing::info_span!(
                "coord.retry",
                name = self.plan.label.name(),
                correlation_id = context.as_ref().map(Context::correlation_id),
                attempts = field::Empty,
                outcome = field::Empty,
            );
        }
    }

    fn record(&self, outcome: &'static str) {
        self.span.record("attempts", self.attempts);
        self.span.record("outcome", outcome);
    }
}

impl<E> Limits<'_, E> {
    /// When an attempt that starts now is cut off, or that it is too late for one.
    fn end(&self, deadline: Option<Instant>) -> Result<Option<(Instant, Cut)>, Cut> {
        if self.attempt_timeout.is_none() && deadline.is_none() {
            return Ok(None);
        }
        let now = Instant::now();
        let deadline = deadline.zip(self.deadline.map(Cut::Deadline));
        if let Some((_, cut)) = deadline.filter(|(end, _)| *end <= now) {
            return Err(cut);
        }
        let timeout = self
            .attempt_timeout
            .and_then(|timeout| Some((now.checked_add(timeout)?, Cut::Attempt(timeout))));
        let ends = [timeout, deadline].into_iter().flatten();
        Ok(ends.min_by_key(|(end, _)| *end))
    }
}

impl Cut {
    fn failed<E>(self, failed: fn(Error) -> E) -> Failed<E> {
        let (error, next) = match self {
            Self::Attempt(after) => (Error::AttemptTimeout { after }, Next::Retry),
            Self::Deadline(after) => (
                Error::DeadlineExceeded { after },
                Next::GiveUp(GivenUp::Deadline),
            ),
        };
        Failed {
            error: failed(error),
            floor: None,
            next,
        }
    }
}

/// What an attempt leads to that the breaker refused.
fn refused<E>(error: E) -> Failed<E> {
    Failed {
        error,
        floor: None,
        next: Next::GiveUp(GivenUp::Circuit),
    }
}

/// The output of `attempt`, unless its time runs out before.
async fn within<F: Future>(end: Option<(Instant, Cut)>, attempt: F) -> Result<F::Output, Cut> {
    let Some((end, cut)) = end else {
        return Ok(attempt.await);
    };
    timeout_at(end, attempt).await.map_err(|_| cut)
}
