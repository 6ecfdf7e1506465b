//! One attempt of a run, or to undo one: when it is due, in a span of its own, caught if it panics, and cut off after its
//! timeout.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::FutureExt;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::call::Call;
use super::cancel::Flag;
use super::context::{StepContext, StepOfRun};
use super::drive::Drive;
use super::error::StepError;
use super::head::About;
use super::hurry::PutOff;
use super::journal::{Journal, Ours, Stop};
use super::outputs::Outputs;
use super::progress::{Progress, Run, RunProgress};
use super::step::{Erased, Failed};
use super::trace::{self, Way};
use crate::observe::{SagaEvent, emit};
use crate::store::FencingToken;

/// How an attempt ended.
pub(super) enum Attempted {
    Done(Box<RawValue>),
    Failed(Failed),
    /// It was not made, because the saga turns back.
    NotMade,
    /// It was not made, because this executor does not have the saga any more.
    Stopped(Stop),
}

/// What is to be attempted.
struct Attempt<'a> {
    make: &'a Erased,
    timeout: Option<Duration>,
    context: StepContext,
    outputs: Arc<Outputs>,
    run: Run,
    span: Span,
}

impl Drive {
    /// The next attempt of a run, when it is due; none, if the saga turns back before, because it is cancelled or what is made
    /// together with this run is `over`.
    pub(super) fn attempt<'a>(
        &'a self,
        journal: &Journal<Progress>,
        run: Run,
        over: &'a Flag,
    ) -> impl Future<Output = (Run, Attempted)> + Send + use<'a> {
        let progress = journal.fold.run(run);
        let (put_off, past_pivot) = (self.put_off(journal, progress), journal.fold.past_pivot);
        let attempt = self.to_attempt(journal, run, progress.attempt(), Way::Forwards);
        let ours = Ours::of(&journal.member, &journal.head);
        async move {
            if let Some(put_off) = put_off {
                // On the heap, as is the timeout, so that most attempts carry no room for it.
                if !Box::pin(self.wait(&put_off, progress, past_pivot, over)).await {
                    return (run, Attempted::NotMade);
                }
                if let Err(stop) = Box::pin(self.is_still(&ours)).await {
                    return (run, Attempted::Stopped(stop));
                }
            }
            let began = Instant::now();
            let attempted = self.make(&attempt).instrument(attempt.span.clone()).await;
            let took = began.elapsed();
            emit(self.spot.template(), SagaEvent::Step { took });
            (run, attempted)
        }
    }

    pub(super) async fn attempt_to_undo(&self, journal: &Journal<Progress>, run: Run) -> Attempted {
        let progress = journal.fold.run(run);
        if let Some(put_off) = self.put_off(journal, progress) {
            put_off.is_due(&**self.spot.coordinator.store()).await;
            let ours = Ours::of(&journal.member, &journal.head);
            if let Err(stop) = self.is_still(&ours).await {
                return Attempted::Stopped(stop);
            }
        }
        let attempt = self.to_attempt(journal, run, progress.undo_attempt(), Way::Backwards);
        self.make(&attempt).instrument(attempt.span.clone()).await
    }

    fn put_off(&self, journal: &Journal<Progress>, progress: RunProgress) -> Option<Box<PutOff>> {
        let delay = progress.waits()?;
        let put_off = PutOff::by(delay, &self.spot.coordinator, journal);
        Some(Box::new(put_off))
    }

    /// Whether the attempt is to be made after this.
    async fn wait(
        &self,
        put_off: &PutOff,
        progress: RunProgress,
        past_pivot: bool,
        over: &Flag,
    ) -> bool {
        let may_end = !progress.is_in_doubt();
        tokio::select! {
            biased;
            () = over.raised(), if may_end => false,
            () = self.cancel.wanted.raised(), if may_end && !past_pivot => false,
            () = put_off.is_due(&**self.spot.coordinator.store()) => true,
        }
    }

    /// Whether nobody has given the saga up, or taken it over, while it waited.
    async fn is_still(&self, ours: &Ours) -> Result<(), Stop> {
        let store = self.spot.coordinator.store();
        ours.insist(&**store, &self.spot.head_key).await
    }

    fn to_attempt<'a>(
        &'a self,
        journal: &Journal<Progress>,
        run: Run,
        attempt: u32,
        way: Way,
    ) -> Attempt<'a> {
        let step = &self.definition.steps[run.0];
        let make = match &step.undo {
            Some(undo) if way == Way::Backwards => &undo.run,
            _ => &step.run,
        };
        let about = &journal.head.about;
        let context = self.context(about, run, attempt, way);
        let number = (attempt, context.step.item);
        Attempt {
            make,
            timeout: step.timeout,
            span: trace::attempt(way, self.spot.template(), about, step.id, number),
            context,
            outputs: Arc::clone(&journal.fold.outputs),
            run,
        }
    }

    async fn make(&self, attempt: &Attempt<'_>) -> Attempted {
        let call = self.call(&attempt.context, &attempt.outputs, attempt.run);
        let body = async { (attempt.make)(&self.input, call).await };
        // What is cut off is dropped within this too, and may panic then.
        let limited = async {
            match attempt.timeout {
                None => Ok(body.await),
                Some(timeout) => Box::pin(tokio::time::timeout(timeout, body)).await,
            }
        };
        let ended = AssertUnwindSafe(limited).catch_unwind().await;
        let failed = |text: String| Failed::in_this_attempt(StepError::of_text(text));
        let ended = match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => Err(failed("it did not end within its timeout".to_owned())),
            Err(panic) => Err(failed(panicked(&*panic))),
        };
        if ended.is_err() {
            self.spot.coordinator.unless_shut_down().await;
        }
        trace::attempted(&attempt.span, ended.is_ok());
        match ended {
            Ok(stored) => Attempted::Done(stored.0),
            Err(failed) => Attempted::Failed(failed),
        }
    }

    pub(super) fn context(
        &self,
        about: &About,
        (step, item): Run,
        attempt: u32,
        way: Way,
    ) -> StepContext {
        let data = &self.definition.steps[step];
        StepContext {
            saga_id: Arc::clone(&self.spot.id),
            attempt,
            step: StepOfRun {
                run: about.run,
                id: data.id,
                item: data.each.is_some().then_some(item),
                way,
            },
            idempotency_key: OnceLock::new(),
            token: FencingToken::new(about.began.saturating_mul(1000).saturating_add(about.epoch)),
        }
    }

    pub(super) fn call<'a>(
        &'a self,
        context: &'a StepContext,
        outputs: &'a Outputs,
        (step, item): Run,
    ) -> Call<'a> {
        Call {
            context,
            outputs,
            dependencies: self.spot.coordinator.dependencies(),
            step,
            item,
            largest: self.spot.executor.largest,
        }
    }
}

/// That the user's code panicked, and what the panic said.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(not a text)");
    format!("it panicked: {said}")
}
