//! Driving a saga that is ours: forwards step by step, and backwards if one fails for good.
//!
//! 1. The next step starts only after what the one before put out is stored, in one append with the start.
//! 2. A step is not begun, and one that is under way does not go on, once this executor's membership may have
//!    ended.
//! 3. A saga that is cancelled goes backwards when the step that is under way has ended, unless it is past its
//!    pivot.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;

use super::attempt::{Attempted, panicked};
use super::definition::Definition;
use super::error::{SagaError, StepError};
use super::head::{SagaState, milliseconds};
use super::journal::{Journal, Stop, shortened};
use super::log::{Event, Kind};
use super::outputs::Outputs;
use super::progress::{Cause, Progress, Run, Standing};
use super::spot::Spot;
use super::step::Input;
use super::trace::Way;
use crate::context::Waits;
use crate::observe::{SagaEvent, emit};

/// How a saga has ended, for those who wait for it.
pub(super) type Ended = Result<Arc<Outputs>, SagaError>;

/// What tells the one who drives a saga in this process that somebody wants it undone.
#[derive(Default)]
pub(super) struct Cancel {
    is_wanted: AtomicBool,
    wanted: Notify,
}

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

impl Cancel {
    pub(super) fn want(&self) {
        self.is_wanted.store(true, Ordering::Release);
        self.wanted.notify_waiters();
    }

    fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Acquire)
    }

    /// Returns after `delay`: whether it was waited for to the end.
    pub(super) async fn sleep(&self, delay: Duration) -> bool {
        let wanted = self.wanted.notified();
        if self.is_wanted() {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(delay) => true,
            () = wanted => false,
        }
    }
}

impl Drive {
    /// Goes on until the saga has ended or is stuck.
    pub(super) async fn go_on(&self, journal: &mut Journal<Progress>) -> Result<Ended, Stop> {
        loop {
            if self.cancel.is_wanted() && !journal.fold.cancelled {
                journal.flush().await?;
                // What was flushed may have met it already.
                if !journal.fold.cancelled {
                    journal.catch_up().await?;
                }
            }
            if let Some(cause) = journal.fold.unwinding.clone() {
                return self.backwards(journal, cause).await;
            }
            if journal.fold.cancelled && !journal.fold.past_pivot {
                journal.note(Event::of_run(Kind::Unwinding, (0, 0)));
                continue;
            }
            let runs = match self.plan(journal) {
                Ok(runs) => runs,
                Err(failure) => {
                    self.fail(journal, failure)?;
                    continue;
                }
            };
            if runs.is_empty() {
                journal.finish(SagaState::Completed, None).await?;
                return Ok(Ok(Arc::clone(&journal.fold.outputs)));
            }
            journal.flush().await?;
            if journal.fold.cancelled && !journal.fold.past_pivot {
                continue;
            }
            if let Some(failure) = self.forwards(journal, runs).await? {
                if journal.fold.past_pivot {
                    return self.get_stuck(journal, failure).await.map(Err);
                }
                self.fail(journal, failure)?;
            }
        }
    }

    /// Notes what begins the next runs.
    pub(super) fn plan(&self, journal: &mut Journal<Progress>) -> Result<Vec<Run>, FailedPlan> {
        let about = &journal.head.about;
        let next = journal.fold.next(|step, outputs| {
            let Some(when) = &self.definition.steps[step].when else {
                return Ok(true);
            };
            let context = self.context(about, (step, 0), 1, Way::Forwards);
            let asked = || when(&self.input, self.call(&context, outputs, (step, 0)));
            match std::panic::catch_unwind(AssertUnwindSafe(asked)) {
                Ok(answer) => answer.map_err(|failed| (step, failed.error)),
                Err(panic) => Err((step, StepError::of_text(panicked(&*panic)))),
            }
        });
        let next = next.map_err(|(step, error)| FailedPlan { step, error })?;
        for event in next.events {
            journal.note(event);
        }
        Ok(next.runs)
    }

    /// Turns the saga back.
    #[allow(
        clippy::unnecessary_wraps,
        reason = "so that both kinds of failures can be given"
    )]
    fn fail(
        &self,
        journal: &mut Journal<Progress>,
        failure: impl Into<Failure>,
    ) -> Result<(), Stop> {
        let Failure { run, error } = failure.into();
        journal.note(Event {
            error: Some(shortened(error.to_string())),
            ..Event::of_run(Kind::Unwinding, run)
        });
        // The error itself is still here.
        journal.fold.unwinding = Some(Cause::Failed { step: run.0, error });
        emit(self.spot.template(), SagaEvent::Failed);
        Ok(())
    }

    /// Makes these runs, together, and stores what they put out, except for the last, which goes along with what
    /// comes next.
    async fn forwards(
        &self,
        journal: &mut Journal<Progress>,
        runs: Vec<Run>,
    ) -> Result<Option<Failure>, Stop> {
        if let [run] = *runs {
            return self.forwards_alone(journal, run).await;
        }
        let mut under_way = FuturesUnordered::new();
        for run in runs {
            under_way.push(self.attempt(journal, run));
        }
        let mut failure = None;
        while let Some((run, attempted)) = under_way.next().await {
            match self.note(journal, run, attempted, failure.is_none()) {
                After::Again => under_way.push(self.attempt(journal, run)),
                After::Over(failed) => failure = failure.or(failed),
            }
            if !under_way.is_empty() {
                journal.flush().await?;
            }
        }
        Ok(failure)
    }

    /// Makes one run, which is what most steps are.
    async fn forwards_alone(
        &self,
        journal: &mut Journal<Progress>,
        run: Run,
    ) -> Result<Option<Failure>, Stop> {
        loop {
            let (_, attempted) = self.attempt(journal, run).await;
            match self.note(journal, run, attempted, true) {
                After::Again => journal.flush().await?,
                After::Over(failed) => return Ok(failed),
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
    ) -> After {
        let failed = match attempted {
            Attempted::Done(output) => {
                journal.note(Event {
                    output: Some(output),
                    ..Event::of_run(Kind::Done, run)
                });
                return After::Over(None);
            }
            Attempted::NotMade => return After::Over(None),
            Attempted::Failed(failed) => failed,
        };
        let failures = journal.fold.run(run).failures + 1;
        let delay = (failed.is_worth_retrying && may_retry)
            .then(|| {
                let step = &self.definition.steps[run.0];
                step.retry_delay(failures + 1, journal.fold.past_pivot)
            })
            .flatten();
        note_failure(journal, failed.kind(), run, &failed.error, delay);
        if delay.is_some() {
            return After::Again;
        }
        let error = failed.error;
        After::Over(Some(Failure { run, error }))
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
            Cause::Failed { step, error } => Some((self.step_id(*step), error.to_string())),
        };
        journal.finish(SagaState::Compensated, failure).await?;
        emit(self.spot.template(), SagaEvent::Compensated);
        Ok(Err(match cause {
            Cause::Cancelled => SagaError::Cancelled,
            Cause::Failed { step, error } => SagaError::Compensated {
                step: self.step_id(step).into(),
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
                Attempted::Failed(failed) => {
                    let failures = journal.fold.run(run).undo_failures + 1;
                    let delay = failed
                        .is_worth_retrying
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

/// A step of which it cannot be said whether it is to run.
pub(super) struct FailedPlan {
    step: usize,
    error: StepError,
}

impl From<FailedPlan> for Failure {
    fn from(FailedPlan { step, error }: FailedPlan) -> Self {
        Self {
            run: (step, 0),
            error,
        }
    }
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
