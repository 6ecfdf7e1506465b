//! What tracing sees of a saga: a span for as long as this process executes it, and in it one for each attempt.
//!
//! A saga that is taken over has a span in each process, perhaps each in a trace of its own. What links them is the
//! correlation id of the call that began the saga: it is stored with it, and stands in all of its spans.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, Span, field, info_span};

use super::drive::{Drive, Ended};
use super::head::{About, Head, SagaState, now};
use super::journal::{Journal, Stop};
use super::progress::Progress;
use crate::context::Context;
use crate::lock::while_held;
use crate::observe::{SagaEvent, emit};

/// The span of a saga that is executed.
pub(super) struct Trace {
    template: &'static str,
    span: Span,
}

/// Which way an attempt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Forwards,
    Backwards,
}

impl Trace {
    /// Begins with a saga that has become ours, and tells that it was created or taken over.
    pub(super) fn begin(template: &'static str, about: &About) -> Self {
        let takeovers = about.epoch.saturating_sub(1);
        let span = info_span!(
            "coord.saga",
            template,
            saga = &*about.name,
            correlation_id = &*about.correlation,
            takeovers,
            outcome = field::Empty,
        );
        let event = if takeovers == 0 {
            SagaEvent::Started
        } else {
            SagaEvent::Recovered
        };
        span.in_scope(|| emit(template, event));
        Self { template, span }
    }

    /// Does `work` inside of it.
    pub(super) fn follow<W: Future>(&self, work: W) -> impl Future<Output = W::Output> + use<W> {
        work.instrument(self.span.clone())
    }

    /// Tells how the saga has ended, or that it is stuck.
    pub(super) fn ended(&self, head: &Head) {
        let outcome = match head.state {
            SagaState::Completed => "completed",
            SagaState::Compensated => "compensated",
            SagaState::Stuck => "stuck",
            SagaState::Running | SagaState::Abandoned => "left",
        };
        self.span.record("outcome", outcome);
        if head.state == SagaState::Completed {
            let took = Duration::from_millis(now().saturating_sub(head.about.began));
            self.span
                .in_scope(|| emit(self.template, SagaEvent::Completed { took }));
        }
    }

    /// Tells why this process has left it.
    pub(super) fn stopped(&self, stop: &Stop) {
        let outcome = match stop {
            Stop::Lost => "lost",
            Stop::Incompatible(_) => "incompatible",
            Stop::Refused(_) => "refused",
        };
        self.span.record("outcome", outcome);
    }
}

impl Drive {
    /// Goes on until the saga has ended or is stuck, or until this executor may not be a member any more: inside
    /// of the span and the context of the saga.
    pub(super) async fn to_the_end(&self, journal: &mut Journal<Progress>) -> Result<Ended, Stop> {
        let (spot, about) = (&self.spot, &journal.head.about);
        let trace = Trace::begin(spot.template(), about);
        let store = spot.coordinator.store_id();
        let context = Context::with_correlation_id(&*about.correlation).inside_saga(
            (store, Arc::clone(&spot.head_key)),
            Arc::clone(&spot.id),
            Arc::clone(&self.waits),
        );
        let member = Arc::clone(&journal.member);
        let lease = &member.lease;
        let ended = {
            let goes_on = spot.coordinator.scope(context.scope(self.go_on(journal)));
            let goes_on = pin!(trace.follow(goes_on));
            while_held(pin!(lease.lost()), || lease.at_work(), || (), goes_on).await
        };
        let ended = ended.map_or(Err(Stop::Lost), |(ended, ())| ended);
        match &ended {
            Ok(_) => trace.ended(&journal.head),
            Err(stop) => trace.stopped(stop),
        }
        ended
    }
}

/// The span of one attempt of a step, or of its compensation. `item` is which of several, from 0.
pub(super) fn attempt(
    way: Way,
    template: &'static str,
    about: &About,
    step: &str,
    (attempt, item): (u32, Option<usize>),
) -> Span {
    let correlation_id = &*about.correlation;
    let outcome = field::Empty;
    match way {
        Way::Forwards => info_span!(
            "coord.saga.step",
            template,
            correlation_id,
            step,
            item,
            attempt,
            outcome
        ),
        Way::Backwards => info_span!(
            "coord.saga.compensation",
            template,
            correlation_id,
            step,
            item,
            attempt,
            outcome
        ),
    }
}

/// Tells how an attempt has ended.
pub(super) fn attempted(span: &Span, is_done: bool) {
    span.record("outcome", if is_done { "done" } else { "failed" });
}
