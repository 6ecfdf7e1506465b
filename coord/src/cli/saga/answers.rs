//! What is said of sagas.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::output::{facts, table};
use crate::cli::show;
use crate::saga::{HistoryEvent, HistoryKind, SagaHistory, SagaState, SagaSummary};

#[derive(Serialize)]
pub(super) struct List {
    pub(super) sagas: Vec<Saga>,
    /// Whether there are more than were asked for.
    pub(super) more: bool,
}

#[derive(Serialize)]
pub(super) struct Saga {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) began: String,
    pub(super) ended: Option<String>,
    pub(super) takeovers: u64,
    pub(super) failure: Option<Failed>,
    pub(super) correlation_id: String,
}

#[derive(Serialize)]
pub(super) struct Failed {
    /// Empty if it was abandoned.
    step: String,
    error: String,
}

#[derive(Serialize)]
pub(super) struct History {
    #[serde(flatten)]
    saga: Saga,
    input: Option<Box<RawValue>>,
    #[serde(rename = "history")]
    events: Vec<Event>,
    #[serde(skip)]
    input_text: String,
}

#[derive(Serialize)]
pub(super) struct Event {
    at: String,
    #[serde(rename = "event")]
    kind: &'static str,
    step: String,
    item: usize,
    output: Option<Box<RawValue>>,
    error: Option<String>,
    retry_after_seconds: Option<f64>,
    #[serde(skip)]
    output_text: Option<String>,
}

impl From<SagaSummary> for Saga {
    fn from(saga: SagaSummary) -> Self {
        Self {
            id: saga.id,
            name: saga.name,
            state: state(saga.state),
            began: show::time(saga.began),
            ended: saga.ended.map(show::time),
            takeovers: saga.takeovers,
            failure: saga.failure.map(|(step, error)| Failed { step, error }),
            correlation_id: saga.correlation_id,
        }
    }
}

impl From<SagaHistory> for History {
    fn from(saga: SagaHistory) -> Self {
        Self {
            saga: saga.summary.into(),
            input: json(&saga.input),
            events: saga.events.into_iter().map(Event::from).collect(),
            input_text: saga.input,
        }
    }
}

impl From<HistoryEvent> for Event {
    fn from(event: HistoryEvent) -> Self {
        Self {
            at: show::time(event.at),
            kind: kind(event.kind),
            step: event.step,
            item: event.item,
            output: event.output.as_deref().and_then(json),
            error: event.error,
            retry_after_seconds: event.retry_after.map(show::seconds),
            output_text: event.output,
        }
    }
}

impl Failed {
    pub(super) fn shown(&self) -> String {
        let error = show::text(&self.error);
        if self.step.is_empty() {
            error.into_owned()
        } else {
            format!("{}: {error}", show::text(&self.step))
        }
    }
}

impl Event {
    /// Without the time: what happened to which step, and what there is to say.
    pub(super) fn cells(&self) -> Vec<String> {
        let mut step = show::text(&self.step).into_owned();
        if self.item > 0 {
            step = format!("{step} [{}]", self.item);
        }
        let mut said: Vec<_> = [&self.output_text, &self.error]
            .into_iter()
            .flatten()
            .map(|text| show::text(text).into_owned())
            .collect();
        said.extend(
            self.retry_after_seconds
                .map(|seconds| format!("again after {seconds} s")),
        );
        vec![self.at.clone(), self.kind.to_owned(), step, said.join("; ")]
    }
}

pub(super) fn history(history: &History) -> String {
    let saga = &history.saga;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let facts = facts(&[
        ("saga", show::text(&saga.id).into_owned()),
        ("state", saga.state.to_owned()),
        ("began", saga.began.clone()),
        ("ended", or_none(saga.ended.clone())),
        ("takeovers", saga.takeovers.to_string()),
        ("failure", or_none(saga.failure.as_ref().map(Failed::shown))),
        (
            "correlation id",
            show::text(&saga.correlation_id).into_owned(),
        ),
        ("input", show::text(&history.input_text).into_owned()),
    ]);
    let rows = history.events.iter().map(Event::cells);
    format!("{facts}\n\n{}", table(&["at", "event", "step", ""], rows))
}

pub(super) fn state(state: SagaState) -> &'static str {
    match state {
        SagaState::Running => "running",
        SagaState::Stuck => "stuck",
        SagaState::Completed => "completed",
        SagaState::Compensated => "compensated",
        SagaState::Abandoned => "abandoned",
    }
}

fn kind(kind: HistoryKind) -> &'static str {
    match kind {
        HistoryKind::Started => "started",
        HistoryKind::Done => "done",
        HistoryKind::Skipped => "skipped",
        HistoryKind::Failed => "failed",
        HistoryKind::Unwinding => "unwinding",
        HistoryKind::Undone => "undone",
        HistoryKind::UndoFailed => "undo-failed",
        HistoryKind::Takeover => "takeover",
        HistoryKind::Cancelled => "cancelled",
    }
}

/// What is stored as JSON, as it stands; anything else as text.
fn json(text: &str) -> Option<Box<RawValue>> {
    let json = RawValue::from_string(text.to_owned());
    json.or_else(|_| serde_json::value::to_raw_value(text)).ok()
}
