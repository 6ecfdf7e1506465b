//! What is told of idempotent calls.

use std::time::Duration;

use tracing::{debug, warn};

use super::Event;
use super::series::{Counter, Histogram, Label, Registry, Series};
use crate::metrics;

static CALLS: Registry<IdempotencySeries> = Registry::new();

/// Something that happened to an idempotent call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum IdempotencyEvent {
    /// A stored result was replayed.
    Hit,
    /// There was none, so the body is run.
    Miss { attempt: u32 },
    /// The body has run for this long, and its result is stored.
    Executed { took: Duration },
    /// The call failed, in its body or in ours.
    Failed,
}

/// What is counted of the calls of one template.
struct IdempotencySeries {
    hit: Counter,
    miss: Counter,
    executed: Counter,
    failed: Counter,
    execution_seconds: Histogram,
}

impl Series for IdempotencySeries {
    fn new(template: &'static str) -> Self {
        let labels = &[Label::from_static_parts("template", template)];
        Self {
            hit: Counter::new(&metrics::IDEMPOTENCY_HIT, labels),
            miss: Counter::new(&metrics::IDEMPOTENCY_MISS, labels),
            executed: Counter::new(&metrics::IDEMPOTENCY_EXECUTED, labels),
            failed: Counter::new(&metrics::IDEMPOTENCY_FAILED, labels),
            execution_seconds: Histogram::new(&metrics::IDEMPOTENCY_SECONDS, labels),
        }
    }
}

impl Event for IdempotencyEvent {
    /// The template.
    type Subject<'a> = &'static str;

    fn tell(self, template: &'static str) {
        if let Some(series) = CALLS.heard(template) {
            self.count(series);
        }
        self.say(template);
    }
}

impl IdempotencyEvent {
    fn count(self, series: &IdempotencySeries) {
        match self {
            Self::Hit => {
                series.hit.increment();
            }
            Self::Miss { .. } => {
                series.miss.increment();
            }
            Self::Executed { took } => {
                series.executed.increment();
                series.execution_seconds.record(took.as_secs_f64());
            }
            Self::Failed => {
                series.failed.increment();
            }
        }
    }

    fn say(self, template: &'static str) {
        match self {
            Self::Hit => {
                debug!(template, "idempotent call replayed");
            }
            Self::Miss { attempt } => {
                debug!(template, attempt, "idempotent call begins");
            }
            Self::Executed { took } => {
                debug!(template, ?took, "idempotent call executed");
            }
            Self::Failed => {
                warn!(template, "idempotent call failed");
            }
        }
    }
}
