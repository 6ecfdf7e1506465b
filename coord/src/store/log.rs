//! Logs: lists that only grow, and only from the length that the writer expects.

use std::fmt;

use bytes::Bytes;

use super::{OperationId, Result, limits};

/// An append.
#[derive(Clone)]
pub struct AppendRequest {
    /// Which log.
    pub log: String,
    /// The length it must have now. This is the fence: of two writers, one finds it changed.
    pub expected_len: u64,
    /// The entry.
    pub entry: Bytes,
    /// The identity of this append.
    pub operation: OperationId,
}

impl AppendRequest {
    /// Appends `entry` if the log has `expected_len` entries.
    pub fn new(log: impl Into<String>, expected_len: u64, entry: impl Into<Bytes>) -> Self {
        Self {
            log: log.into(),
            expected_len,
            entry: entry.into(),
            operation: OperationId::random(),
        }
    }

    /// Whether the request is within the limits. Every store calls this first.
    pub fn check(&self) -> Result<()> {
        limits::check_name("append", &self.log)?;
        limits::check_value("append", &self.entry)
    }
}

impl fmt::Debug for AppendRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppendRequest")
            .field("expected_len", &self.expected_len)
            .field("bytes", &self.entry.len())
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// How an append ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Append {
    /// Done.
    Appended,
    /// Not done: the log has another length.
    Conflict {
        /// The length it has.
        len: u64,
    },
}
