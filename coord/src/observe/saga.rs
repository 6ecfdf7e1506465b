//! What is told of sagas.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::Event;
use super::series::{Counter, Histogram, Registry};

static SAGAS: Registry<SagaSeries> = Registry::new();

/// Something that happened to a saga.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SagaEvent {
    /// It was created.
    Started,
    /// An attempt of a step has ended.
    Step { took: Duration },
    /// All its steps are done. How long that took is known where it began.
    Completed { took: Duration },
    /// A step has failed for good.
    Failed,
    /// What was done is undone.
    Compensated,
    /// It was taken over from an executor that is gone.
    Recovered,
    /// It cannot go on by itself.
    Stuck,
}

/// What is counted of the sagas of one template.
struct SagaSeries {
    started: Counter,
    completed: Counter,
    failed: Counter,
    compensated: Counter,
    recovered: Counter,
    stuck: Counter,
    seconds: Histogram,
    step_seconds: Histogram,
}

impl SagaSeries {
    fn of(template: &'static str) -> Arc<Self> {
        SAGAS.of(template, |template| Self {
            started: Counter::new("coord_saga_started_total", template),
            completed: Counter::new("coord_saga_completed_total", template),
            failed: Counter::new("coord_saga_failed_total", template),
            compensated: Counter::new("coord_saga_compensated_total", template),
            recovered: Counter::new("coord_saga_recovered_total", template),
            stuck: Counter::new("coord_saga_stuck_total", template),
            seconds: Histogram::new("coord_saga_duration_seconds", template),
            step_seconds: Histogram::new("coord_saga_step_duration_seconds", template),
        })
    }
}

impl Event for SagaEvent {
    fn tell(self, template: &'static str) {
        let series = SagaSeries::of(template);
        match self {
            Self::Started => {
                series.started.increment();
                debug!(template, "saga started");
            }
            Self::Step { took } => {
                series.step_seconds.record(took.as_secs_f64());
                debug!(template, ?took, "step of a saga attempted");
            }
            Self::Completed { took } => {
                series.completed.increment();
                series.seconds.record(took.as_secs_f64());
                debug!(template, ?took, "saga completed");
            }
            Self::Failed => {
                series.failed.increment();
                warn!(template, "saga failed, and is undone");
            }
            Self::Compensated => {
                series.compensated.increment();
                info!(template, "saga undone");
            }
            Self::Recovered => {
                series.recovered.increment();
                info!(template, "saga taken over");
            }
            Self::Stuck => {
                series.stuck.increment();
                warn!(
                    template,
                    "saga stuck, until somebody resumes or abandons it"
                );
            }
        }
    }
}
