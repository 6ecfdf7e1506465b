//! Driving a saga that is ours: forwards step by step, and backwards if one fails for good.
//!
//! 1. The next step starts only after what the one before put out is stored, in one append with the start.
//! 2. A step is not begun, and one that is under way does not go on, once this executor's membership may have
//!    ended.
//! 3. A saga that is cancelled goes backwards when the step that is under way has ended, unless it is past its
//!    pivot. So it does if the process that had it died in that step: then the step is made again first.
//! 4. What fails once the coordinator is shut down may have failed for want of it, and tells nothing of the saga.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Attempted, panicked};
use super::cancel::{Cancel, Flag};
use super::definition::Definition;
use super::error::{SagaError, StepError};
use super::head::{SagaState, milliseconds};
use super::journal::{Journal, Stop, shortened};
use super::log::{Event, Kind};
use super::outputs::Outputs;
use super::progress::{Cause, Next, Progress, Run, Standing};
use super::spot::Spot;
use super::step::{Failed, Input};
use super::trace::Way;
use crate::context::Waits;
use crate::observe::{SagaEvent, emit};
use futures_util::stream::{FuturesUnordered, StreamExt};

/// How a saga has ended, for those who wait for it.
pub(super) type Ended = Result<Arc<Outputs>, SagaError>;

/// A saga and what its steps need, whatever its journal says.
pub(super) struct Drive {
    pub(super) spot: Spot,
    pub(super) definition: Arc<Definition>,
    pub(super) input: Input,
    pub(super) cancel: Arc<Cancel>,
    pub(super) waits: Arc<Waits>,
}

/// The one run that has failed for good.
struct Failure {
    run: Run,
    error: StepError,
}

/// What comes after an attempt.
enum After {
    Again,
    /// Nothing, and perhaps the run has failed for good.
    Over(Option<Failure>),
}

impl Drive {
    /// Goes on until the saga has ended or is stuck.
    pub(super) async fn go_on(&self, journal: &mut Journal<Progress>) -> Result<Ended, Stop> {
        // What has failed for good, and first, here: the error itself is not in the log. It turns the saga back when nothing is
        // in doubt any more.
        let mut failed = None;
        loop {
            if self.cancel.wanted.is_raised() && !journal.fold.cancelled {
                note_cancellation(journal).await?;
            }
            if let Some(cause) = journal.fold.unwinding.clone() {
                return self.backwards(journal, cause).await;
            }
            let first = failed.take().filter(|_| !journal.fold.past_pivot);
            let turns_back = first.or_else(|| journal.fold.turns_back());
            let planned = match turns_back {
                Some(_) => Ok(journal.fold.in_doubt()),
                None => self.plan(journal),
            };
            let failure = match (planned, &turns_back) {
                (Ok(runs), Some(cause)) if runs.is_empty() => {
                    self.turn_back(journal, cause.clone());
                    continue;
                }
                (Ok(runs), None) if runs.is_empty() => {
                    journal.finish(SagaState::Completed, None).await?;
                    return Ok(Ok(Arc::clone(&journal.fold.outputs)));
                }
                (Ok(runs), _) => self.forwards(journal, runs).await?,
                (Err(failed), _) => {
                    self.spot.coordinator.unless_shut_down().await;
                    Some(failed.into_failure()?)
                }
            };
            failed = match (turns_back, failure) {
                (_, Some(failure)) if journal.fold.past_pivot => {
                    return self.get_stuck(journal, failure).await.map(Err);
                }
                (Some(first @ Cause::Failed { .. }), _) => Some(first),
                (_, failure) => failure.map(|Failure { run, error }| Cause::Failed { run, error }),
            };
        }
    }

    /// Notes what begins the next runs.
    pub(super) fn plan(&self, journal: &mut Journal<Progress>) -> Result<Vec<Run>, FailedPlan> {
        let about = &journal.head.about;
        let mut next = Next::default();
        let planned = journal.fold.plan(&mut next, |step, outputs| {
            let Some(when) = &self.definition.steps[step].when else {
                return Ok(true);
            };
            let context = self.context(about, (step, 0), 1, Way::Forwards);
            let asked = || when(&self.input, self.call(&context, outputs, (step, 0)));
            match std::panic::catch_unwind(AssertUnwindSafe(asked)) {
                Ok(answer) => answer.map_err(|failed| (step, failed)),
                Err(panic) => {
                    let error = StepError::of_text(panicked(&*panic));
                    Err((step, Failed::for_good(error)))
                }
            }
        });
        if planned.is_err() {
            // What is left out before it stays so, also if it is asked again.
            next.events.retain(|event| event.kind == Kind::Skipped);
        }
        for event in next.events {
            journal.note(event);
        }
        planned.map_err(|(step, failed)| FailedPlan { step, failed })?;
        Ok(next.runs)
    }

    /// Turns the saga back.
    fn turn_back(&self, journal: &mut Journal<Progress>, cause: Cause) {
        let (run, error) = match &cause {
            Cause::Cancelled => ((0, 0), None),
            Cause::Failed { run, error } => {
                emit(self.spot.template(), SagaEvent::Failed);
                (*run, Some(shortened(error.to_string())))
            }
        };
        journal.note(Event {
            error,
            ..Event::of_run(Kind::Unwinding, run)
        });
        // The error itself is still here.
        journal.fold.unwinding = Some(cause);
    }

    /// Makes these runs, together, and stores what they put out, except for the last, which goes along with what
    /// comes next. None of them begins if the saga is to turn back meanwhile.
    async fn forwards(
        &self,
        journal: &mut Journal<Progress>,
        runs: Vec<Run>,
    ) -> Result<Option<Failure>, Stop> {
        let turned_back = journal.fold.turns_back().is_some();
        journal.flush().await?;
        if journal.fold.turns_back().is_some() != turned_back {
            return Ok(None);
        }
        if let [run] = *runs {
            return self.forwards_alone(journal, run).await;
        }
        self.forwards_together(journal, runs).await
    }

    async fn forwards_together(
        &self,
        journal: &mut Journal<Progress>,
        runs: Vec<Run>,
    ) -> Result<Option<Failure>, Stop> {
        // Those that are to be made again later are not, when it turns back.
        let over = Flag::default();
        let mut under_way = FuturesUnordered::new();
        for run in runs {
            under_way.push(self.attempt(journal, run, &over));
        }
        let mut failure = None;
        let mut ended = VecDeque::new();
        loop {
            let one = match ended.pop_front() {
                None => under_way.next().await,
                one => one,
            };
            let Some((run, attempted)) = one else {
                return Ok(failure);
            };
            let after = self.note(journal, run, attempted, failure.is_none())?;
            let is_again = matches!(after, After::Again);
            if let After::Over(failed) = after {
                failure = failure.or(failed);
            }
            if failure.is_some() {
                over.raise();
            }
            if is_again || !under_way.is_empty() {
                flush_beside(journal, &mut under_way, &mut ended).await?;
            }
            if journal.fold.turns_back().is_some() {
                over.raise();
            }
            if is_again {
                under_way.push(self.attempt(journal, run, &over));
            }
        }
    }

    /// Makes one run, which is what most steps are.
    async fn forwards_alone(
        &self,
        journal: &mut Journal<Progress>,
        run: Run,
    ) -> Result<Option<Failure>, Stop> {
        let over = Flag::default();
        loop {
            let (_, attempted) = self.attempt(journal, run, &over).await;
            match self.note(journal, run, attempted, true)? {
                After::Again => journal.flush().await?,
                After::Over(failed) => return Ok(failed),
            }
            let turns_back = journal.fold.turns_back().is_some();
            if turns_back && !journal.fold.run(run).is_in_doubt() {
                return Ok(None);
            }
        }
    }

    /// Notes how an attempt has ended, and says what comes after it.
    fn note(
        &self,
        journal: &mut Journal<Progress>,
        run: Run,
        attempted: Attempted,
        may_retry: bool,
    ) -> Result<After, Stop> {
        let failed = match attempted {
            Attempted::Done(output) => {
                journal.note(Event {
                    output: Some(output),
                    ..Event::of_run(Kind::Done, run)
                });
                return Ok(After::Over(None));
            }
            Attempted::NotMade => return Ok(After::Over(None)),
            Attempted::Stopped(stop) => return Err(stop),
            Attempted::Failed(failed) => failed.of_the_step()?,
        };
        let progress = journal.fold.run(run);
        let failures = progress.failures + 1;
        let may_retry = may_retry || progress.is_in_doubt();
        let delay = (failed.is_worth_retrying() && may_retry)
            .then(|| {
                let step = &self.definition.steps[run.0];
                step.retry_delay(failures + 1, journal.fold.past_pivot)
            })
            .flatten();
        note_failure(journal, failed.kind(), run, &failed.error, delay);
        if delay.is_some() {
            return Ok(After::Again);
        }
        let error = failed.error;
        Ok(After::Over(Some(Failure { run, error })))
    }

    /// Undoes what was begun, the latest first.
    async fn backwards(
        &self,
        journal: &mut Journal<Progress>,
        cause: Cause,
    ) -> Result<Ended, Stop> {
        for run in journal.fold.begun_in_reverse() {
            let Some(undo) = &self.definition.steps[run.0].undo else {
                continue;
            };
            match journal.fold.run(run).standing {
                Standing::Done | Standing::Unstored => {}
                Standing::Begun if undo.of_unknown => {}
                _ => continue,
            }
            journal.flush().await?;
            if let Some(failure) = self.undo(journal, run).await? {
                return self.get_stuck(journal, failure).await.map(Err);
            }
        }
        let failure = match &cause {
            Cause::Cancelled => None,
            Cause::Failed { run, error } => Some((self.step_id(run.0), error.to_string())),
        };
        journal.finish(SagaState::Compensated, failure).await?;
        emit(self.spot.template(), SagaEvent::Compensated);
        Ok(Err(match cause {
            Cause::Cancelled => SagaError::Cancelled,
            Cause::Failed { run, error } => SagaError::Compensated {
                step: self.step_id(run.0).into(),
                source: error,
            },
        }))
    }

    async fn undo(
        &self,
        journal: &mut Journal<Progress>,
        run: Run,
    ) -> Result<Option<Failure>, Stop> {
        loop {
            match self.attempt_to_undo(journal, run).await {
                Attempted::Done(_) | Attempted::NotMade => {
                    journal.note(Event::of_run(Kind::Undone, run));
                    return Ok(None);
                }
                Attempted::Stopped(stop) => return Err(stop),
                Attempted::Failed(failed) => {
                    let failed = failed.of_the_step()?;
                    let failures = journal.fold.run(run).undo_failures + 1;
                    let delay = failed
                        .is_worth_retrying()
                        .then(|| self.definition.steps[run.0].undo_delay(failures + 1))
                        .flatten();
                    note_failure(journal, Kind::UndoFailed, run, &failed.error, delay);
                    if delay.is_none() {
                        let error = failed.error;
                        return Ok(Some(Failure { run, error }));
                    }
                    journal.flush().await?;
                }
            }
        }
    }

    async fn get_stuck(
        &self,
        journal: &mut Journal<Progress>,
        failure: Failure,
    ) -> Result<SagaError, Stop> {
        let step = self.step_id(failure.run.0);
        let told = (step.clone(), failure.error.to_string());
        journal.finish(SagaState::Stuck, Some(told)).await?;
        emit(self.spot.template(), SagaEvent::Stuck);
        Ok(SagaError::Stuck {
            step: Cow::Owned(step),
            source: failure.error,
        })
    }

    fn step_id(&self, step: usize) -> String {
        let step = self.definition.steps.get(step);
        step.map_or_else(String::new, |step| step.id.to_owned())
    }
}

/// Stores what is noted, while what is under way goes on: a store that is slow has none of it run out of time. What ends
/// meanwhile comes to what has `ended`.
async fn flush_beside<W: Future>(
    journal: &mut Journal<Progress>,
    under_way: &mut FuturesUnordered<W>,
    ended: &mut VecDeque<W::Output>,
) -> Result<(), Stop> {
    let mut flushed = pin!(journal.flush());
    loop {
        tokio::select! {
            biased;
            flushed = &mut flushed => return flushed,
            Some(one) = under_way.next() => ended.push_back(one),
        }
    }
}

/// A step of which it cannot be said whether it is to run.
pub(super) struct FailedPlan {
    step: usize,
    failed: Failed,
}

impl FailedPlan {
    fn into_failure(self) -> Result<Failure, Stop> {
        Ok(Failure {
            run: (self.step, 0),
            error: self.failed.of_the_step()?.error,
        })
    }
}

/// Notes that somebody wants it undone, unless that stands in its log already.
async fn note_cancellation(journal: &mut Journal<Progress>) -> Result<(), Stop> {
    journal.flush().await?;
    // What was flushed may have met it.
    if !journal.fold.cancelled {
        journal.read_on().await?;
    }
    if !journal.fold.cancelled {
        journal.note(Event::of_run(Kind::Cancelled, (0, 0)));
    }
    Ok(())
}

fn note_failure(
    journal: &mut Journal<Progress>,
    kind: Kind,
    run: Run,
    error: &StepError,
    delay: Option<Duration>,
) {
    journal.note(Event {
        error: Some(shortened(error.to_string())),
        delay: delay.map(milliseconds),
        ..Event::of_run(kind, run)
    });
}
