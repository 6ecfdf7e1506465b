//! What is told of idempotent calls.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use super::Event;
use super::series::{Counter, Histogram, Registry};

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

impl IdempotencySeries {
    fn of(template: &'static str) -> Arc<Self> {
        CALLS.of(template, |template| Self {
            hit: Counter::new("coord_idempotency_hit_total", template),
            miss: Counter::new("coord_idempotency_miss_total", template),
            executed: Counter::new("coord_idempotency_executed_total", template),
            failed: Counter::new("coord_idempotency_failed_total", template),
            execution_seconds: Histogram::new(
                "coord_idempotency_execution_duration_seconds",
                template,
            ),
        })
    }
}

impl Event for IdempotencyEvent {
    fn tell(self, template: &'static str) {
        let series = IdempotencySeries::of(template);
        match self {
            Self::Hit => {
                series.hit.increment();
                debug!(template, "idempotent call replayed");
            }
            Self::Miss { attempt } => {
                series.miss.increment();
                debug!(template, attempt, "idempotent call begins");
            }
            Self::Executed { took } => {
                series.executed.increment();
                series.execution_seconds.record(took.as_secs_f64());
                debug!(template, ?took, "idempotent call executed");
            }
            Self::Failed => {
                series.failed.increment();
                warn!(template, "idempotent call failed");
            }
        }
    }
}
