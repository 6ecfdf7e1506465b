//! What the body of a saga of closures is given, and its steps.

use std::any::type_name;
use std::fmt::Display;
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use tracing::Instrument;

use super::replay::Replay;
use crate::coordinator::Coordinator;
use crate::error::{Error, without_values};
use crate::lock::while_held;
use crate::observe::{SagaEvent, emit};
use crate::saga::error::{SagaError, StepError};
use crate::saga::journal::{Journal, Stop, shortened};
use crate::saga::log::{Event, Kind};
use crate::saga::spot::Spot;
use crate::saga::step::{Failed, Stored as Output};
use crate::saga::trace;

/// A saga of closures, as its body sees it, from [`SagaBuilder::run`](super::SagaBuilder::run).
pub struct ClosureSaga {
    pub(super) id: Arc<str>,
    pub(super) run: u128,
    pub(super) template: &'static str,
    pub(super) correlation: Arc<str>,
    coordinator: Coordinator,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) journal: Journal<Replay>,
    pub(super) way: Way,
    /// Which step the body comes to next.
    pub(super) next: usize,
    pub(super) end: Option<End>,
}

/// What the body is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To go on.
    Forwards,
    /// To give its result again, with nothing to do.
    Again,
    /// To undo this step.
    To(usize),
}

/// Why a body cannot go on.
pub(super) enum End {
    Stopped(Stop),
    /// It does not wait for a step any more, which has failed with this.
    CutOff(SagaError),
    Undone,
    UndoFailed(StepError),
}

/// Why a step that has run gives nothing.
enum NoOutput {
    Failed(SagaError),
    /// What it has put out is stored, and this code reads another type.
    Unreadable(String),
}

/// A step that the body awaits. One that it does not await to its end is cut off: that ends the body with a failure in
/// the place of the step, so what is stored is what the body has come to, and no compensation is lost.
struct Awaited<'a> {
    state: MutexGuard<'a, State>,
    step: &'a str,
    is_over: bool,
}

/// What a step fails with that is cut off.
const CUT_OFF: &str =
    "the saga's body did not await its end; limit the time within the step, not around it";

/// A step, to be awaited.
#[must_use = "a step runs when it is awaited"]
pub struct ClosureStep<'s, F, C = NoCompensation> {
    saga: &'s ClosureSaga,
    name: String,
    run: F,
    undo: C,
}

/// A step that is not undone.
#[derive(Debug, Clone, Copy)]
pub struct NoCompensation;

/// A closure that undoes a step.
#[derive(Debug, Clone, Copy)]
pub struct Compensation<C>(C);

impl ClosureSaga {
    pub(super) fn new(spot: &Spot, journal: Journal<Replay>, way: Way) -> Self {
        Self {
            id: Arc::clone(&spot.id),
            run: journal.head.about.run,
            template: spot.template(),
            coordinator: spot.coordinator.clone(),
            correlation: journal.head.about.correlation.as_str().into(),
            state: Mutex::new(State {
                journal,
                way,
                next: 0,
                end: None,
            }),
        }
    }

    /// The saga's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A key for the step of this name that is the same each time it is run, and for nothing else: a step may be
    /// run again after a crash, and that key is how its effect happens once.
    pub fn idempotency_key(&self, step: &str) -> String {
        format!("{:032x}/{step}", self.run)
    }

    /// A step. It runs when it is awaited, after the one before is stored; if it is done already, what it put out
    /// is read and it does not run. Names of steps differ within a saga and are not empty, and steps are awaited one after
    /// the other.
    ///
    /// A step that the body does not await to its end, as with [`timeout`](tokio::time::timeout) around it or in a
    /// `select!`, is cut off, and that is a failure which the body cannot deal with: whatever it does from there on, no
    /// further step runs, and what was done before is undone. The same body is run to undo its steps, so a compensation
    /// can be cut off too; that is an attempt that failed, and after the last one the saga is stuck. So limit the time
    /// within the step:
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use std::time::Duration;
    /// use tokio::time::timeout;
    ///
    /// # let coord = coord::Coordinator::connect("memory:").await?;
    /// # async fn quote() -> u32 { 7 }
    /// let price = coord.saga("order:7").run(async |saga| {
    ///     let quoted = saga.step("quote", async || timeout(Duration::from_secs(1), quote()).await);
    ///     // Stored as a failure, and so the same each time, if it took too long.
    ///     Ok(quoted.await.unwrap_or(10))
    /// }).await?;
    /// assert_eq!(price, 7);
    /// # Ok::<(), coord::SagaError>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// The awaited step gives [`SagaError::Compensated`] if it fails; pass it on with `?`, and what was done
    /// before is undone. Any other error is to be passed on too.
    pub fn step<'s, F, Run, T, E>(&'s self, name: impl Into<String>, run: F) -> ClosureStep<'s, F>
    where
        F: FnOnce() -> Run + Send + 's,
        Run: Future<Output = Result<T, E>> + Send + 's,
        T: Serialize + DeserializeOwned + Send + 's,
        E: Display + Send + Sync + 'static,
    {
        ClosureStep {
            saga: self,
            name: name.into(),
            run,
            undo: NoCompensation,
        }
    }

    pub(super) fn into_state(self) -> State {
        self.state.into_inner()
    }
}

impl<'s, F> ClosureStep<'s, F> {
    /// What undoes the step, given what it put out. It is called if the saga fails behind this step, in this
    /// process or in a later one. One that fails leaves the saga stuck, until it is run again.
    pub fn compensate<Run, C, Undo, T, E, U>(self, undo: C) -> ClosureStep<'s, F, Compensation<C>>
    where
        F: FnOnce() -> Run,
        Run: Future<Output = Result<T, E>>,
        C: FnOnce(T) -> Undo + Send + 's,
        Undo: Future<Output = Result<(), U>> + Send + 's,
        U: Display + Send + Sync + 'static,
    {
        ClosureStep {
            saga: self.saga,
            name: self.name,
            run: self.run,
            undo: Compensation(undo),
        }
    }
}

impl<'s, F, Run, T, E> IntoFuture for ClosureStep<'s, F>
where
    F: FnOnce() -> Run + Send + 's,
    Run: Future<Output = Result<T, E>> + Send + 's,
    T: Serialize + DeserializeOwned + Send + 's,
    E: Display + Send + Sync + 'static,
{
    type Output = Result<T, SagaError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 's>>;

    fn into_future(self) -> Self::IntoFuture {
        let nothing = None::<fn(T) -> std::future::Ready<Result<(), E>>>;
        Box::pin(self.saga.come_to(self.name, self.run, nothing))
    }
}

impl<'s, F, Run, C, Undo, T, E, U> IntoFuture for ClosureStep<'s, F, Compensation<C>>
where
    F: FnOnce() -> Run + Send + 's,
    Run: Future<Output = Result<T, E>> + Send + 's,
    C: FnOnce(T) -> Undo + Send + 's,
    Undo: Future<Output = Result<(), U>> + Send + 's,
    T: Serialize + DeserializeOwned + Send + 's,
    E: Display + Send + Sync + 'static,
    U: Display + Send + Sync + 'static,
{
    type Output = Result<T, SagaError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 's>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.saga.come_to(self.name, self.run, Some(self.undo.0)))
    }
}

impl ClosureSaga {
    /// What the body gets for a step: what is stored of it, what it puts out now, or the end of the body.
    async fn come_to<T, E, U, Run, Undo>(
        &self,
        name: String,
        run: impl FnOnce() -> Run + Send,
        undo: Option<impl FnOnce(T) -> Undo + Send>,
    ) -> Result<T, SagaError>
    where
        Run: Future<Output = Result<T, E>> + Send,
        Undo: Future<Output = Result<(), U>> + Send,
        T: Serialize + DeserializeOwned + Send,
        E: Display + Send + Sync + 'static,
        U: Display + Send + Sync + 'static,
    {
        // One at a time; a step within a step would wait for itself.
        let Ok(mut state) = self.state.try_lock() else {
            return Err(Error::WouldDeadlock {
                template: self.template,
            }
            .into());
        };
        if let Some(end) = &state.end {
            return Err(self.ended(end));
        }
        let at = state.next;
        if let Some(difference) = state.difference(at, &name) {
            // What was done before is done, for a body that goes on from there.
            let stored = state.journal.flush().await;
            let stop = stored.err().unwrap_or(Stop::Incompatible(difference));
            return Err(self.end(&mut state, End::Stopped(stop)));
        }
        state.next += 1;
        let mut awaited = Awaited {
            state,
            step: &name,
            is_over: false,
        };
        let came = self.pass(&mut awaited.state, (at, &name), run, undo).await;
        awaited.is_over = true;
        came
    }

    /// The step that the body has come to.
    async fn pass<T, E, U, Run, Undo>(
        &self,
        state: &mut State,
        (at, name): (usize, &str),
        run: impl FnOnce() -> Run + Send,
        undo: Option<impl FnOnce(T) -> Undo + Send>,
    ) -> Result<T, SagaError>
    where
        Run: Future<Output = Result<T, E>> + Send,
        Undo: Future<Output = Result<(), U>> + Send,
        T: Serialize + DeserializeOwned + Send,
        E: Display + Send + Sync + 'static,
        U: Display + Send + Sync + 'static,
    {
        if state.way == Way::To(at) {
            let end = match (state.stored::<T>(at), undo) {
                (_, None) => End::Undone,
                (Ok(output), Some(undo)) => {
                    let attempt = 1 + state.journal.fold.steps[at].undo_failures;
                    let made = (trace::Way::Backwards, name, attempt);
                    match self.attempt(state, made, undo(output)).await {
                        Some(Ok(())) => End::Undone,
                        Some(Err(error)) => End::UndoFailed(StepError::new(error)),
                        None => End::Stopped(Stop::Lost),
                    }
                }
                (Err(NoOutput::Failed(error)), Some(_)) => {
                    End::UndoFailed(StepError::of_text(error.to_string()))
                }
                (Err(NoOutput::Unreadable(problem)), Some(_)) => {
                    End::Stopped(Stop::Incompatible(problem))
                }
            };
            return Err(self.end(state, end));
        }
        if at < state.journal.fold.steps.len() {
            return match state.stored(at) {
                Ok(output) => Ok(output),
                Err(NoOutput::Failed(error)) => Err(error),
                Err(NoOutput::Unreadable(problem)) => {
                    Err(self.end(state, End::Stopped(Stop::Incompatible(problem))))
                }
            };
        }
        if let Err(stop) = state.journal.flush().await {
            return Err(self.end(state, End::Stopped(stop)));
        }
        if state.journal.fold.cancelled {
            return Err(SagaError::Cancelled);
        }
        let (made, began) = ((trace::Way::Forwards, name, 1), Instant::now());
        let Some(ran) = self.attempt(state, made, run()).await else {
            return Err(self.end(state, End::Stopped(Stop::Lost)));
        };
        let took = began.elapsed();
        emit(self.template, SagaEvent::Step { took });
        state.take_in(name, ran, undo.is_some())
    }

    /// One attempt of a step or its compensation in a span of its own, unless this executor's membership ends
    /// before.
    async fn attempt<T, E>(
        &self,
        state: &State,
        (way, step, attempt): (trace::Way, &str, u32),
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> Option<Result<T, E>> {
        let about = &state.journal.head.about;
        let span = trace::attempt(way, self.template, about, step, (attempt, None));
        let made = state.guarded(pin!(work.instrument(span.clone()))).await?;
        if made.is_err() {
            self.coordinator.unless_shut_down().await;
        }
        trace::attempted(&span, made.is_ok());
        Some(made)
    }

    /// Ends the body: whatever it does from now on, it gets this.
    fn end(&self, state: &mut State, end: End) -> SagaError {
        self.ended(state.end.insert(end))
    }

    /// For the body alone: whoever runs it knows why.
    fn ended(&self, end: &End) -> SagaError {
        match end {
            End::CutOff(error) => error.clone(),
            _ => Error::LockLost {
                template: self.template,
            }
            .into(),
        }
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.state.cut_off(self.step);
        }
    }
}

impl State {
    /// How the step that the body comes to differs from what is stored.
    fn difference(&self, at: usize, name: &str) -> Option<String> {
        let (number, fold) = (at + 1, &self.journal.fold);
        match fold.steps.get(at) {
            Some(stored) if stored.id == name => None,
            Some(stored) => Some(format!("step {number} was `{}` and is `{name}`", stored.id)),
            None if name.is_empty() => Some(format!("step {number} has no name")),
            None if self.way != Way::Forwards => Some(format!(
                "step {number} is `{name}`, and no such step has run"
            )),
            None if fold.knows(name) => Some(format!("two steps are called `{name}`")),
            None => None,
        }
    }

    /// What a step that has run gives.
    fn stored<T: DeserializeOwned>(&self, at: usize) -> Result<T, NoOutput> {
        let Some(step) = self.journal.fold.steps.get(at) else {
            return Err(NoOutput::Failed(SagaError::Cancelled));
        };
        let Some(output) = &step.output else {
            let error = StepError::of_text(step.error.clone().unwrap_or_default());
            return Err(NoOutput::Failed(failed(&step.id, error)));
        };
        serde_json::from_str(output.get()).map_err(|problem| {
            let (id, expected) = (&step.id, type_name::<T>());
            let problem = without_values(&problem);
            NoOutput::Unreadable(format!(
                "the stored output of `{id}` cannot be read as `{expected}` ({problem})"
            ))
        })
    }

    /// The output of `work`, unless this executor's membership ends before.
    async fn guarded<W: Future>(&self, work: Pin<&mut W>) -> Option<W::Output> {
        let lease = &self.journal.member.lease;
        let done = while_held(pin!(lease.lost()), || lease.at_work(), || (), work).await;
        done.map(|(output, ())| output)
    }

    /// Notes that the body does not wait for a step, or its compensation, any more.
    fn cut_off(&mut self, step: &str) {
        self.end = match self.way {
            Way::Forwards => self
                .take_in(step, Err::<(), _>(CUT_OFF), false)
                .err()
                .map(End::CutOff),
            _ => Some(End::UndoFailed(StepError::of_text(CUT_OFF))),
        };
    }

    /// Notes how a step has ended, which has a compensation or not.
    fn take_in<T: Serialize, E>(
        &mut self,
        name: &str,
        ran: Result<T, E>,
        has_undo: bool,
    ) -> Result<T, SagaError>
    where
        E: Display + Send + Sync + 'static,
    {
        let step = self.journal.fold.add(name);
        let written = match ran {
            Ok(output) => {
                Output::of(&output, self.journal.largest).map(|written| (output, written))
            }
            Err(error) => Err(Failed::in_this_attempt(StepError::new(error))),
        };
        match written {
            Ok((output, written)) => {
                self.journal.note(Event {
                    output: Some(written.0),
                    ..Event::of_run(Kind::Done, (step, 0))
                });
                Ok(output)
            }
            Err(failure) => {
                let kind = if has_undo {
                    failure.kind()
                } else {
                    Kind::Failed
                };
                self.journal.note(Event {
                    error: Some(shortened(failure.error.to_string())),
                    ..Event::of_run(kind, (step, 0))
                });
                Err(failed(name, failure.error))
            }
        }
    }
}

fn failed(step: &str, source: StepError) -> SagaError {
    SagaError::Compensated {
        step: step.to_owned().into(),
        source,
    }
}
