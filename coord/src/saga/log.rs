//! What happens to a saga, and how it is written into its log: each entry of the log is a JSON array of events,
//! all of which took effect together.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::head::now;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A run of a step was begun.
    #[serde(rename = "s")]
    Started,
    /// It is done, and put this out.
    #[serde(rename = "d")]
    Done,
    /// The step is left out.
    #[serde(rename = "k")]
    Skipped,
    /// An attempt failed. Without a delay, there is no other.
    #[serde(rename = "f")]
    Failed,
    /// It is done, but what it put out cannot be stored. There is no other attempt.
    #[serde(rename = "n")]
    Unstored,
    /// From here on the saga goes backwards.
    #[serde(rename = "w")]
    Unwinding,
    /// A run is undone.
    #[serde(rename = "u")]
    Undone,
    /// An attempt to undo it failed. Without a delay, there is no other.
    #[serde(rename = "v")]
    UndoFailed,
    /// Another executor, or the same one once more, has it from here on.
    #[serde(rename = "t")]
    Takeover,
    /// Somebody wants it undone.
    #[serde(rename = "c")]
    Cancelled,
}

/// Something that happened to a saga.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) step: usize,
    pub(super) item: usize,
    /// Milliseconds since 1970.
    pub(super) at: u64,
    pub(super) output: Option<Box<RawValue>>,
    pub(super) error: Option<String>,
    /// How long to wait before the next attempt, in milliseconds.
    pub(super) delay: Option<u64>,
}

/// The same as it is written, with the step's id in place of its number.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "k")]
    pub(super) kind: Kind,
    #[serde(rename = "s", default, skip_serializing_if = "str::is_empty", borrow)]
    pub(super) step: Cow<'a, str>,
    #[serde(rename = "i", default, skip_serializing_if = "is_zero")]
    pub(super) item: usize,
    #[serde(rename = "t")]
    pub(super) at: u64,
    #[serde(
        rename = "o",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "there",
        borrow
    )]
    pub(super) output: Option<&'a RawValue>,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none", borrow)]
    pub(super) error: Option<Cow<'a, str>>,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub(super) delay: Option<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_zero(item: &usize) -> bool {
    *item == 0
}

/// An output that is written is there, `null` too: that is what a step puts out that returns `()`.
fn there<'de, D: Deserializer<'de>>(written: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(written).map(Some)
}

impl Event {
    /// Something that happens now to a run of a step.
    pub(super) fn of_run(kind: Kind, (step, item): (usize, usize)) -> Self {
        Self {
            kind,
            step,
            item,
            at: now(),
            output: None,
            error: None,
            delay: None,
        }
    }

    /// Appends it to a JSON array that is being written.
    pub(super) fn write(&self, id: &str, array: &mut Vec<u8>) {
        let line = Line {
            kind: self.kind,
            step: id.into(),
            item: self.item,
            at: self.at,
            output: self.output.as_deref(),
            error: self.error.as_deref().map(Into::into),
            delay: self.delay,
        };
        array.push(if array.is_empty() { b'[' } else { b',' });
        // Neither writing to memory nor a line can fail.
        let _ = serde_json::to_writer(array, &line);
    }
}

/// The events of an entry; none, if it is empty.
pub(super) fn read(entry: &[u8]) -> Result<Vec<Line<'_>>, String> {
    if entry.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(entry).map_err(|problem| format!("its log cannot be read: {problem}"))
}
