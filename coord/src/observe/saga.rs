//! What is told of sagas.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::Event;
use super::series::{Counter, Histogram, Label, Registry, Series};
use crate::metrics;

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

impl Event for SagaEvent {
    /// The template.
    type Subject<'a> = &'static str;

    fn tell(self, template: &'static str) {
        if let Some(series) = SAGAS.heard(template) {
            self.count(series);
        }
        self.say(template);
    }
}

impl SagaEvent {
    fn count(self, series: &SagaSeries) {
        match self {
            Self::Started => {
                series.started.increment();
            }
            Self::Step { took } => {
                series.step_seconds.record(took.as_secs_f64());
            }
            Self::Completed { took } => {
                series.completed.increment();
                series.seconds.record(took.as_secs_f64());
            }
            Self::Failed => {
                series.failed.increment();
            }
            Self::Compensated => {
                series.compensated.increment();
            }
            Self::Recovered => {
                series.recovered.increment();
            }
            Self::Stuck => {
                series.stuck.increment();
            }
        }
    }

    fn say(self, template: &'static str) {
        match self {
            Self::Started => {
                debug!(template, "saga started");
            }
            Self::Step { took } => {
                debug!(template, ?took, "step of a saga attempted");
            }
            Self::Completed { took } => {
                debug!(template, ?took, "saga completed");
            }
            Self::Failed => {
                warn!(template, "saga failed, and is undone");
            }
            Self::Compensated => {
                info!(template, "saga undone");
            }
            Self::Recovered => {
                info!(template, "saga taken over");
            }
            Self::Stuck => {
                warn!(
                    template,
                    "saga stuck, until somebody resumes or abandons it"
                );
            }
        }
    }
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

impl Series for SagaSeries {
    fn new(template: &'static str) -> Self {
        let labels = &[Label::from_static_parts("template", template)];
        Self {
            started: Counter::new(&metrics::SAGA_STARTED, labels),
            completed: Counter::new(&metrics::SAGA_COMPLETED, labels),
            failed: Counter::new(&metrics::SAGA_FAILED, labels),
            compensated: Counter::new(&metrics::SAGA_COMPENSATED, labels),
            recovered: Counter::new(&metrics::SAGA_RECOVERED, labels),
            stuck: Counter::new(&metrics::SAGA_STUCK, labels),
            seconds: Histogram::new(&metrics::SAGA_SECONDS, labels),
            step_seconds: Histogram::new(&metrics::SAGA_STEP_SECONDS, labels),
        }
    }
}
