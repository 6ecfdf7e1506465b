//! Asking for a saga of closures, and running its body as often as it takes.

use std::fmt;

use super::body::{ClosureSaga, End, State, Way};
use super::replay::{Cause, Replay};
use super::settle::{Claim, Found, LeftBehind};
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::{IntoKey, Key};
use crate::observe::{SagaEvent, emit};
use crate::saga::error::{SagaError, StepError};
use crate::saga::head::{SagaState, milliseconds};
use crate::saga::journal::{Journal, Stop, shortened};
use crate::saga::log::{Event, Kind};
use crate::saga::step::undo_delay;
use crate::saga::trace::Trace;

/// A saga of closures that can be run, from [`Coordinator::saga`].
#[must_use = "nothing is run until `run` is awaited"]
pub struct SagaBuilder {
    coordinator: Coordinator,
    key: Result<Key, Error>,
}

impl Coordinator {
    /// A saga whose steps are closures, for steps that are known only at run time.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let coord = coord::Coordinator::connect("memory:").await?;
    /// # async fn load(batch: u32) -> Result<u32, std::io::Error> { Ok(batch * 100) }
    /// # async fn unload(batch: u32, rows: u32) -> Result<(), std::io::Error> { let _ = (batch, rows); Ok(()) }
    /// let rows = coord.saga("import:7").run(async |saga| {
    ///     let mut rows = 0;
    ///     for batch in 0..3 {
    ///         rows += saga
    ///             .step(format!("batch-{batch}"), async || load(batch).await)
    ///             .compensate(async |rows| unload(batch, rows).await)
    ///             .await?;
    ///     }
    ///     Ok(rows)
    /// }).await?;
    /// assert_eq!(rows, 300);
    /// # Ok::<(), coord::SagaError>(()) }).unwrap();
    /// ```
    pub fn saga(&self, key: impl IntoKey) -> SagaBuilder {
        SagaBuilder {
            coordinator: self.clone(),
            key: key.into_key(),
        }
    }
}

impl SagaBuilder {
    /// Runs the body, or waits for the process that runs it.
    ///
    /// Each step's output is stored before the next step runs. Run again with the same key after a crash, steps
    /// that are done are not run again: the body gets what is stored of them. So what the body does besides its
    /// steps must be the same each time: it may be run several times within one call, too. If a step fails and the
    /// body passes that on, the steps that are done are undone, the latest first; a body that fails by itself does
    /// the same.
    ///
    /// Where the future has to be `Send`, as in a spawned task or a boxed future, the compiler may say that an
    /// implementation of `Send` is not general enough: then let the body and its steps own what they use, the body
    /// with `async move`, and each step with a clone of its own:
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::sync::Arc;
    /// use coord::{Coordinator, SagaError};
    ///
    /// struct Client;
    /// impl Client {
    ///     async fn load(&self, batch: &str) -> Result<usize, std::io::Error> { Ok(batch.len()) }
    /// }
    ///
    /// fn import(coord: Coordinator, client: Arc<Client>) -> Pin<Box<dyn Future<Output = Result<usize, SagaError>> + Send>> {
    ///     Box::pin(async move {
    ///         coord.saga("import:7").run(async move |saga| {
    ///             let client = Arc::clone(&client);
    ///             saga.step("one", async move || client.load("one").await).await
    ///         }).await
    ///     })
    /// }
    /// ```
    ///
    /// Dropping the future stops the saga where it is; the next call with its key goes on, in whatever process. So
    /// it does if the process dies, after `lock_ttl`.
    ///
    /// # Errors
    ///
    /// [`SagaError::Compensated`] if a step failed, [`SagaError::Incompatible`] if the body came to other steps
    /// than those that are stored or reads an output as another type, [`SagaError::Stuck`] if a compensation failed for good: when the cause is
    /// mended, [`Sagas::resume`](crate::saga::Sagas::resume) it and run it again. See [`SagaError`] for the
    /// others.
    pub async fn run<Body, T>(self, body: Body) -> Result<T, SagaError>
    where
        Body: AsyncFn(&ClosureSaga) -> Result<T, SagaError>,
    {
        let claim = Claim::of(&self.coordinator, self.key?).await?;
        let (result, left) = tokio::select! {
            biased;
            () = claim.spot.executor.closing() => return Err(Error::ShutDown.into()),
            ended = run(&claim, &body) => ended?,
        };
        // It has ended, so a shutdown does not cut this off.
        if let Some(left) = left {
            left.clean_up().await;
        }
        result
    }
}

async fn run<Body, T>(
    claim: &Claim,
    body: &Body,
) -> Result<(Result<T, SagaError>, Option<LeftBehind>), SagaError>
where
    Body: AsyncFn(&ClosureSaga) -> Result<T, SagaError>,
{
    let mut was_there = false;
    loop {
        let stop = match claim.find(&mut was_there).await? {
            Found::Ended(error) => return Err(error),
            Found::Again(journal) => match go(claim, journal, Way::Again, body).await {
                Ok((_, result)) => return Ok((result, None)),
                Err(stop) => stop,
            },
            Found::Ours(journal, left) => {
                let trace = Trace::begin(claim.spot.template(), &journal.head.about);
                match trace.follow(drive(claim, journal, body)).await {
                    Ok((journal, result)) => {
                        trace.ended(&journal.head);
                        return Ok((result, left.by(journal)));
                    }
                    Err(stop) => {
                        trace.stopped(&stop);
                        stop
                    }
                }
            }
        };
        match stop {
            Stop::Lost => {}
            Stop::Refused(error) => return Err(Error::from(error).into()),
            Stop::Incompatible(difference) => return Err(claim.spot.incompatible(difference)),
        }
    }
}

type Gone<T> = Result<(Journal<Replay>, Result<T, SagaError>), Stop>;

/// Runs the body forwards.
async fn go<Body, T>(claim: &Claim, journal: Journal<Replay>, way: Way, body: &Body) -> Gone<T>
where
    Body: AsyncFn(&ClosureSaga) -> Result<T, SagaError>,
{
    let (state, result) = run_body(claim, journal, way, body).await;
    match state.end {
        Some(End::Stopped(stop)) => Err(stop),
        Some(End::CutOff(error)) => Ok((state.journal, result.and(Err(error)))),
        _ => match state.journal.fold.steps.get(state.next) {
            Some(step) if result.is_ok() => Err(Stop::Incompatible(format!(
                "it has run the step `{}`, which the body did not come to",
                step.id
            ))),
            _ => Ok((state.journal, result)),
        },
    }
}

async fn run_body<Body, T>(
    claim: &Claim,
    journal: Journal<Replay>,
    way: Way,
    body: &Body,
) -> (State, Result<T, SagaError>)
where
    Body: AsyncFn(&ClosureSaga) -> Result<T, SagaError>,
{
    let saga = ClosureSaga::new(&claim.spot, journal, way);
    let result = claim.context(&saga).scope(body(&saga)).await;
    (saga.into_state(), result)
}

/// Goes on until the saga has ended or is stuck.
async fn drive<Body, T>(claim: &Claim, mut journal: Journal<Replay>, body: &Body) -> Gone<T>
where
    Body: AsyncFn(&ClosureSaga) -> Result<T, SagaError>,
{
    let mut cause = None;
    if journal.fold.unwinding.is_none() {
        let (gone, result) = go(claim, journal, Way::Forwards, body).await?;
        journal = gone;
        match result {
            Ok(value) => {
                journal.finish(SagaState::Completed, None).await?;
                return Ok((journal, Ok(value)));
            }
            Err(error) => {
                claim.spot.coordinator.unless_shut_down().await;
                turn_back(&mut journal, &error);
                emit(claim.spot.template(), SagaEvent::Failed);
                cause = Some(error);
            }
        }
    }
    let mut end = usize::MAX;
    while let Some(step) = journal.fold.last_done(end) {
        journal.flush().await?;
        let (state, _) = run_body(claim, journal, Way::To(step), body).await;
        journal = state.journal;
        match state.end {
            Some(End::Undone) => {
                journal.note(Event::of_run(Kind::Undone, (step, 0)));
                end = step;
            }
            Some(End::UndoFailed(error)) => {
                if !wait_to_undo(&mut journal, step, &error).await? {
                    let id = journal.fold.steps[step].id.clone();
                    let told = (id.clone(), error.to_string());
                    journal.finish(SagaState::Stuck, Some(told)).await?;
                    emit(claim.spot.template(), SagaEvent::Stuck);
                    let stuck = SagaError::Stuck {
                        step: id.into(),
                        source: error,
                    };
                    return Ok((journal, Err(stuck)));
                }
            }
            Some(End::Stopped(stop)) => return Err(stop),
            Some(End::CutOff(_)) | None => {
                let id = &journal.fold.steps[step].id;
                return Err(Stop::Incompatible(format!(
                    "it has run the step `{id}`, which the body did not come to"
                )));
            }
        }
    }
    let (told, stored) = match journal.fold.unwinding.clone() {
        Some(Cause::Failed(step, source)) => (
            Some((step.clone(), source.to_string())),
            SagaError::Compensated {
                step: step.into(),
                source,
            },
        ),
        Some(Cause::Cancelled) | None => (None, SagaError::Cancelled),
    };
    journal.finish(SagaState::Compensated, told).await?;
    emit(claim.spot.template(), SagaEvent::Compensated);
    Ok((journal, Err(cause.unwrap_or(stored))))
}

/// Notes that the saga goes backwards because of `error`.
fn turn_back(journal: &mut Journal<Replay>, error: &SagaError) {
    let steps = &journal.fold.steps;
    let (step, error) = match error {
        SagaError::Cancelled => (0, None),
        SagaError::Compensated { step, source } => {
            let step = steps.iter().position(|stored| stored.id == *step);
            (step.unwrap_or(0), Some(source.to_string()))
        }
        other => (steps.len().saturating_sub(1), Some(other.to_string())),
    };
    journal.note(Event {
        error: error.map(shortened),
        ..Event::of_run(Kind::Unwinding, (step, 0))
    });
}

/// Waits before the next attempt to undo a step; `false`: there is none.
async fn wait_to_undo(
    journal: &mut Journal<Replay>,
    step: usize,
    error: &StepError,
) -> Result<bool, Stop> {
    let failures = journal.fold.steps[step].undo_failures + 1;
    let delay = undo_delay(failures + 1);
    journal.note(Event {
        error: Some(shortened(error.to_string())),
        delay: delay.map(milliseconds),
        ..Event::of_run(Kind::UndoFailed, (step, 0))
    });
    let Some(delay) = delay else {
        return Ok(false);
    };
    journal.flush().await?;
    tokio::time::sleep(delay).await;
    // Somebody may have given the saga up meanwhile.
    journal.read_on().await?;
    Ok(true)
}

impl fmt::Debug for SagaBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaBuilder").finish_non_exhaustive()
    }
}
