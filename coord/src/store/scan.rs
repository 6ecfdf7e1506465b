//! Scans: the names of all that is stored, for people who look.

use super::Result;
use crate::error::{StoreError, StoreErrorKind};

/// Of what the names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scanned {
    /// Records, whether they were put with [`PutRequest::listed`](super::PutRequest::listed) or not. In a store that keeps
    /// leases and logs in records, those are among them.
    Records,
    /// Resources that somebody holds, or waits for.
    Leases,
}

/// A scan of the names that begin with a prefix.
#[derive(Debug, Clone)]
pub struct ScanRequest {
    /// Of what.
    pub what: Scanned,
    /// What the names begin with.
    pub prefix: String,
    /// Where to go on: [`ScanPage::next`] of the page before. It means something to the store alone.
    pub cursor: Option<String>,
    /// About how many names are looked at for a page.
    pub limit: usize,
}

impl ScanRequest {
    /// The first page, of about a thousand names.
    pub fn new(what: Scanned, prefix: impl Into<String>) -> Self {
        Self {
            what,
            prefix: prefix.into(),
            cursor: None,
            limit: 1_000,
        }
    }

    /// Goes on where a page ended.
    pub fn cursor(mut self, cursor: impl Into<Option<String>>) -> Self {
        self.cursor = cursor.into();
        self
    }

    /// About how many names are looked at for a page.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// A page of a scan. It can be empty although there is more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanPage {
    /// Names, in no order.
    pub names: Vec<String>,
    /// Where the scan goes on, or `None` at the end.
    pub next: Option<String>,
}

/// What a store answers that cannot tell what it has.
pub(super) fn unsupported() -> Result<ScanPage> {
    Err(StoreError::new(
        StoreErrorKind::Unsupported,
        "scan",
        "this store cannot tell the names of all that it has; ask for one by its name",
    ))
}

/// What a store answers to a cursor that is none of its own.
pub(super) fn foreign_cursor() -> StoreError {
    StoreError::new(
        StoreErrorKind::Rejected,
        "scan",
        "the cursor is not one of this store's; begin the scan again",
    )
}
