//! What is stored of a call: one byte that names the state, one line of JSON with the head, and the result as
//! its codec wrote it, which is thus written and read once.

use std::borrow::Cow;
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use crate::context::Context;
use crate::store::{FencingToken, OwnerId};

/// The state of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Its body is running.
    Running,
    /// It has a value.
    Value,
    /// It has an error that is remembered.
    Error,
    /// Its result was too large; the length stands in its place.
    TooLarge,
    /// Its result could not be written; what was wrong stands in its place.
    NotSerializable,
}

impl State {
    const ALL: [(Self, u8); 5] = [
        (Self::Running, b'R'),
        (Self::Value, b'V'),
        (Self::Error, b'E'),
        (Self::TooLarge, b'L'),
        (Self::NotSerializable, b'N'),
    ];

    fn letter(self) -> u8 {
        let known = Self::ALL.iter().find(|(state, _)| *state == self);
        known.map_or(b'?', |(_, letter)| *letter)
    }

    fn of(letter: u8) -> Option<Self> {
        let known = Self::ALL.iter().find(|(_, known)| *known == letter);
        known.map(|(state, _)| *state)
    }

    /// The state of a record, of which the rest is not read.
    pub(crate) fn of_record(value: &[u8]) -> Option<Self> {
        value.first().and_then(|letter| Self::of(*letter))
    }

    pub(crate) fn is_finished(self) -> bool {
        self != Self::Running
    }
}

/// What stands before the result. Names are short, since each call sends them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head<'a> {
    /// Which call's it is.
    #[serde(rename = "o", with = "halves")]
    pub(crate) owner: u128,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<Fingerprint>,
    #[serde(rename = "n")]
    pub(crate) attempt: u32,
    #[serde(rename = "k")]
    pub(crate) token: u64,
    /// The correlation id of the call that ran the body.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none", borrow)]
    pub(crate) correlation: Option<Cow<'a, str>>,
    /// When it began, in milliseconds since 1970, by the clock of the process that ran the body.
    #[serde(rename = "b")]
    pub(crate) began: u64,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<u64>,
    /// How the result is written, and of which type it is.
    #[serde(rename = "z", default, skip_serializing_if = "str::is_empty", borrow)]
    pub(crate) codec: Cow<'a, str>,
    #[serde(rename = "y", default, skip_serializing_if = "str::is_empty", borrow)]
    pub(crate) result_type: Cow<'a, str>,
}

impl Head<'static> {
    /// The head of a call that begins now, after `known` earlier ones.
    pub(crate) fn begin(
        owner: OwnerId,
        fingerprint: Option<Fingerprint>,
        known: Known,
        context: Option<&Context>,
    ) -> Self {
        let now = since_epoch();
        let by_clock = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        Self {
            owner: owner.to_bits(),
            fingerprint,
            attempt: known.attempts.saturating_add(1),
            token: by_clock.max(known.token.saturating_add(1)),
            correlation: context.map(|context| context.correlation_id().to_owned().into()),
            began: milliseconds(now),
            ended: None,
            codec: Cow::Borrowed(""),
            result_type: Cow::Borrowed(""),
        }
    }
}

impl Head<'_> {
    pub(crate) fn fencing_token(&self) -> FencingToken {
        FencingToken::new(self.token)
    }

    /// A record with this head, to which the result is appended.
    pub(crate) fn start(&self, state: State) -> Vec<u8> {
        let mut record = Vec::with_capacity(256);
        record.push(state.letter());
        // Neither writing to memory nor a head can fail.
        let _ = serde_json::to_writer(&mut record, self);
        record.push(b'\n');
        record
    }

    /// The head of the same call when it ends now, with a result that is written and typed so.
    pub(crate) fn end<'a>(
        &self,
        correlation: Option<&'a str>,
        codec: &'a str,
        result_type: &'a str,
    ) -> Head<'a> {
        Head {
            owner: self.owner,
            fingerprint: self.fingerprint,
            attempt: self.attempt,
            token: self.token,
            correlation: correlation.map(Cow::Borrowed),
            began: self.began,
            ended: Some(milliseconds(since_epoch())),
            codec: Cow::Borrowed(codec),
            result_type: Cow::Borrowed(result_type),
        }
    }
}

/// What is known of earlier runs of a key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    pub(crate) attempts: u32,
    pub(crate) token: u64,
}

impl Known {
    pub(crate) fn learn(&mut self, head: &Head<'_>) {
        self.attempts = self.attempts.max(head.attempt);
        self.token = self.token.max(head.token);
    }
}

/// A record that was read.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) state: State,
    pub(crate) head: Head<'a>,
    pub(crate) result: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads a record, or tells what is wrong with it.
    pub(crate) fn read(value: &'a Bytes) -> Result<Self, String> {
        let (letter, rest) = value.split_first().ok_or("it is empty")?;
        let state = State::of(*letter).ok_or("it begins with an unknown letter")?;
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (head, result) = rest.split_at(end.ok_or("its head does not end")?);
        Ok(Self {
            state,
            head: serde_json::from_slice(head).map_err(|problem| problem.to_string())?,
            result: &result[1..],
        })
    }
}

/// 128 bits as two numbers, which are read much faster than one of 39 digits.
pub(super) mod halves {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        bits: &u128,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes = bits.to_be_bytes();
        let (upper, lower) = bytes.split_at(8);
        let half = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap_or_default());
        (half(upper), half(lower)).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u128, D::Error> {
        let (upper, lower) = <(u64, u64)>::deserialize(deserializer)?;
        Ok(u128::from(upper) << 64 | u128::from(lower))
    }
}

fn since_epoch() -> std::time::Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
