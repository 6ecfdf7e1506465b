//! The head of a saga: what there is besides its log. One byte that names the state, and four lines: JSON with
//! what is known of the saga, its input, and what its history begins and ends with. The beginning is written
//! when the saga is created, and the end when it has ended, so neither costs an append. A line break within one of them,
//! which in JSON can only stand where a space may, is written as a space.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::store::LARGEST_TTL;

/// Where a saga stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SagaState {
    /// It is under way, forwards or backwards, or waits for a process to take it over.
    Running,
    /// It cannot go on by itself, and waits for somebody to resume or abandon it.
    Stuck,
    /// All steps are done.
    Completed,
    /// A step failed or it was cancelled, and what was done is undone.
    Compensated,
    /// It was given up.
    Abandoned,
}

impl SagaState {
    const ALL: [(Self, u8); 5] = [
        (Self::Running, b'R'),
        (Self::Stuck, b'S'),
        (Self::Completed, b'C'),
        (Self::Compensated, b'U'),
        (Self::Abandoned, b'A'),
    ];

    fn letter(self) -> u8 {
        let known = Self::ALL.iter().find(|(state, _)| *state == self);
        known.map_or(b'?', |(_, letter)| *letter)
    }

    fn of(letter: u8) -> Option<Self> {
        let known = Self::ALL.iter().find(|(_, known)| *known == letter);
        known.map(|(state, _)| *state)
    }

    /// Whether nothing happens to it any more.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::Stuck)
    }
}

/// Steps of a definition as they are stored: each by its id, with the type of its output.
pub(super) type StoredSteps = [(String, String)];

/// What is known of a saga. Names are short, since each saga stores them twice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct About {
    #[serde(rename = "n")]
    pub(super) name: String,
    #[serde(rename = "k")]
    pub(super) key: String,
    /// What tells this saga from an earlier one with its key. It names the log.
    #[serde(rename = "r")]
    pub(super) run: u128,
    /// The executor that has it.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    /// How often it was taken over.
    #[serde(rename = "e")]
    pub(super) epoch: u64,
    /// The steps of its definition, each with the type of its output.
    #[serde(rename = "d", default, skip_serializing_if = "<[_]>::is_empty")]
    pub(super) steps: Arc<StoredSteps>,
    /// How long it is kept once it has ended, in milliseconds.
    #[serde(rename = "t")]
    pub(super) retention: u64,
    #[serde(rename = "c")]
    pub(super) correlation: String,
    /// When it began and ended, in milliseconds since 1970.
    #[serde(rename = "b")]
    pub(super) began: u64,
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<u64>,
    /// Which step has ended it, and with which error.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<(String, String)>,
}

/// A head that is stored, or is to be.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) state: SagaState,
    pub(super) about: About,
    pub(super) input: Bytes,
    pub(super) first: Bytes,
    pub(super) last: Bytes,
}

impl Head {
    pub(super) fn write(&self) -> Bytes {
        let parts = [&self.input, &self.first, &self.last];
        let mut value =
            Vec::with_capacity(384 + parts.iter().map(|part| part.len()).sum::<usize>());
        value.push(self.state.letter());
        // Neither writing to memory nor this type can fail.
        let _ = serde_json::to_writer(&mut value, &self.about);
        for part in parts {
            value.push(b'\n');
            let begin = value.len();
            value.extend_from_slice(part);
            let breaks = value[begin..].iter_mut().filter(|byte| **byte == b'\n');
            breaks.for_each(|byte| *byte = b' ');
        }
        value.into()
    }

    /// Reads a head, or tells what is wrong with it.
    pub(super) fn read(value: &Bytes) -> Result<Self, String> {
        let state = value.first().copied().and_then(SagaState::of);
        let state = state.ok_or("it begins with an unknown letter")?;
        let mut lines = value[1..].split(|byte| *byte == b'\n');
        let mut line = || {
            let line = lines.next().ok_or("it has too few lines")?;
            Ok::<_, String>(value.slice_ref(line))
        };
        let about = line()?;
        Ok(Self {
            state,
            about: serde_json::from_slice(&about).map_err(|problem| problem.to_string())?,
            input: line()?,
            first: line()?,
            last: line()?,
        })
    }

    /// How long it is kept, within what stores keep.
    pub(super) fn retention(&self) -> Duration {
        Duration::from_millis(self.about.retention.max(1)).min(LARGEST_TTL)
    }
}

/// Milliseconds since 1970, by the clock of this process.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    milliseconds(since.unwrap_or_default())
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
