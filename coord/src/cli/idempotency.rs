//! `coord idempotency`.

use serde::Serialize;
use serde_json::value::RawValue;

use super::arguments::{self, Global};
use super::confirm::confirm;
use super::connection::{close, connect};
use super::failure::{Failure, NO, Outcome};
use super::output::{Output, facts, table};
use super::progress::Progress;
use super::show;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::idempotency::{RecordDetails, RecordFilter, RecordState, RecordSummary};

#[derive(Serialize)]
struct Answer {
    records: Vec<Record>,
}

#[derive(Serialize)]
struct Record {
    key: String,
    state: &'static str,
    attempt: u32,
    token: String,
    began: String,
    ended: Option<String>,
    expires_in_seconds: Option<f64>,
    correlation_id: Option<String>,
    result_type: Option<String>,
    result_bytes: usize,
    fingerprint: bool,
    #[serde(skip)]
    expires_in: Option<std::time::Duration>,
}

#[derive(Serialize)]
struct Details {
    #[serde(flatten)]
    record: Record,
    /// As it is stored, if that is JSON, and as text otherwise.
    result: Option<Box<RawValue>>,
    #[serde(skip)]
    text: Option<String>,
}

#[derive(Serialize)]
struct Forgotten {
    key: String,
    forgotten: bool,
}

pub(super) async fn run(
    global: &Global,
    output: Output,
    command: arguments::Idempotency,
) -> Outcome {
    let coordinator = connect(global).await?;
    let outcome = match command {
        arguments::Idempotency::List { prefix, state } => {
            list(&coordinator, output, prefix, state).await
        }
        arguments::Idempotency::Show { key } => show_one(&coordinator, output, &key).await,
        arguments::Idempotency::Forget { key, sure } => {
            forget(&coordinator, output, key, sure.yes).await
        }
    };
    close(&coordinator).await;
    outcome
}

async fn list(
    coordinator: &Coordinator,
    output: Output,
    prefix: String,
    state: Option<arguments::RecordState>,
) -> Outcome {
    let mut filter = RecordFilter::new().prefix(prefix);
    if let Some(state) = state {
        filter = filter.state(state.into());
    }
    let progress = Progress::of_unknown_length("records found");
    let mut records = Vec::new();
    loop {
        let page = coordinator
            .idempotency_records()
            .list(filter.clone())
            .await?;
        progress.add(page.records.len());
        records.extend(page.records.into_iter().map(Record::from));
        match page.next {
            Some(next) => filter = filter.after(next),
            None => break,
        }
    }
    drop(progress);
    records.sort_by(|one, other| one.key.cmp(&other.key));
    records.dedup_by(|one, other| one.key == other.key);
    output.answer(&Answer { records }, shown)
}

async fn show_one(coordinator: &Coordinator, output: Output, key: &str) -> Outcome {
    let details = found(coordinator, key).await?;
    output.answer(&Details::from(details), details_shown)
}

async fn forget(coordinator: &Coordinator, output: Output, key: String, yes: bool) -> Outcome {
    let shown = show::text(&key).into_owned();
    let question = match coordinator.idempotency_records().get(&key).await {
        Ok(Some(details)) if details.summary.state == RecordState::Running => format!(
            "`{shown}` is running. Forget it, so that the next call runs the body beside it?"
        ),
        Ok(Some(_)) => format!("Forget `{shown}`, so that the next call runs the body again?"),
        Ok(None) => return Err(nothing_there(&key)),
        Err(Error::ResultShapeChanged { .. }) => format!(
            "What is stored of `{shown}` cannot be read. Forget it, so that the next call runs the body, even if it has run?"
        ),
        Err(error) => return Err(error.into()),
    };
    confirm(&question, yes)?;
    let forgotten = coordinator.idempotency_records().forget(&key).await?;
    if !forgotten {
        return Err(nothing_there(&key));
    }
    output.answer(&Forgotten { key, forgotten }, |_| {
        format!("`{shown}` is forgotten.")
    })
}

async fn found(coordinator: &Coordinator, key: &str) -> Outcome<RecordDetails> {
    let found = coordinator.idempotency_records().get(key).await?;
    found.ok_or_else(|| nothing_there(key))
}

fn nothing_there(key: &str) -> Failure {
    let key = show::text(key);
    Failure::new(NO, format!("there is no record of `{key}`"))
}

impl From<arguments::RecordState> for RecordState {
    fn from(state: arguments::RecordState) -> Self {
        match state {
            arguments::RecordState::Running => Self::Running,
            arguments::RecordState::Finished => Self::Finished,
            arguments::RecordState::Failed => Self::Failed,
            arguments::RecordState::WithoutResult => Self::WithoutResult,
        }
    }
}

fn state(state: RecordState) -> &'static str {
    match state {
        RecordState::Running => "running",
        RecordState::Finished => "finished",
        RecordState::Failed => "failed",
        RecordState::WithoutResult => "without-result",
    }
}

impl From<RecordSummary> for Record {
    fn from(record: RecordSummary) -> Self {
        Self {
            state: state(record.state),
            attempt: record.attempt,
            token: show::token(record.token),
            began: show::time(record.began),
            ended: record.ended.map(show::time),
            expires_in_seconds: record.expires_in.map(show::seconds),
            correlation_id: record.correlation_id,
            result_type: record.result_type,
            result_bytes: record.result_bytes,
            fingerprint: record.has_fingerprint,
            expires_in: record.expires_in,
            key: record.key,
        }
    }
}

impl From<RecordDetails> for Details {
    fn from(details: RecordDetails) -> Self {
        let result = details.result.as_ref().and_then(|text| {
            let json = RawValue::from_string(text.clone());
            json.or_else(|_| serde_json::value::to_raw_value(text)).ok()
        });
        Self {
            record: details.summary.into(),
            result,
            text: details.result,
        }
    }
}

fn shown(answer: &Answer) -> String {
    if answer.records.is_empty() {
        return "There are no records.".to_owned();
    }
    let rows = answer.records.iter().map(|record| {
        vec![
            show::text(&record.key).into_owned(),
            record.state.to_owned(),
            record.attempt.to_string(),
            record.began.clone(),
            record
                .expires_in
                .map_or_else(|| "never".to_owned(), show::duration),
            format!("{} bytes", record.result_bytes),
        ]
    });
    table(
        &["key", "state", "attempt", "began", "expires in", "result"],
        rows,
    )
}

fn details_shown(details: &Details) -> String {
    let record = &details.record;
    let or_none = |text: &Option<String>| {
        let text = text.as_deref().map(show::text);
        text.map_or_else(|| "none".to_owned(), std::borrow::Cow::into_owned)
    };
    facts(&[
        ("key", show::text(&record.key).into_owned()),
        ("state", record.state.to_owned()),
        ("attempt", record.attempt.to_string()),
        ("token", record.token.clone()),
        ("began", record.began.clone()),
        ("ended", or_none(&record.ended)),
        (
            "expires in",
            record
                .expires_in
                .map_or_else(|| "never".to_owned(), show::duration),
        ),
        ("correlation id", or_none(&record.correlation_id)),
        (
            "fingerprint",
            if record.fingerprint {
                "checked"
            } else {
                "none"
            }
            .to_owned(),
        ),
        ("result type", or_none(&record.result_type)),
        ("result", or_none(&details.text)),
    ])
}
