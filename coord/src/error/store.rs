//! Failures of a store.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What is known about an operation that failed. The two transient kinds are never merged: one may be
/// sent again as something new, the other only with the identity it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Surely not done: it never reached the server, or the server refused it whole.
    NotApplied,
    /// Perhaps done: the connection or the reply was lost. Send it again with the same id to find out.
    Unknown,
    /// The request itself cannot be carried out (a key or value too large, say). Surely not done, and
    /// sending it again will not help.
    Rejected,
    /// The server refuses us: a wrong password, a missing permission, a setting that makes it unsafe.
    /// Surely not done; an operator has to act.
    Denied,
    /// This store does not offer the operation.
    Unsupported,
}

/// A failed store operation.
#[derive(Clone)]
pub struct StoreError {
    kind: StoreErrorKind,
    operation: &'static str,
    problem: Cow<'static, str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl StoreError {
    /// An error of `kind` in `operation` (a short verb, such as `put`). `problem` says what happened and
    /// what to do; it must carry no key, value or credential.
    ///
    /// ```
    /// use coord::{StoreError, StoreErrorKind};
    ///
    /// let error = StoreError::new(StoreErrorKind::Unknown, "put", "the connection broke before the reply");
    /// assert!(error.is_retryable() && error.may_have_applied());
    /// ```
    pub fn new(
        kind: StoreErrorKind,
        operation: &'static str,
        problem: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind,
            operation,
            problem: problem.into(),
            source: None,
        }
    }

    /// Adds the error that caused this one.
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The same of an operation of which what failed was only a part.
    pub(crate) fn of_kind(mut self, kind: StoreErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// What is known about the operation.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// The operation that failed.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Whether sending the same request again, with the same id, may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            StoreErrorKind::NotApplied | StoreErrorKind::Unknown
        )
    }

    /// Whether the operation may have taken effect all the same.
    pub fn may_have_applied(&self) -> bool {
        self.kind == StoreErrorKind::Unknown
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreError")
            .field("kind", &self.kind)
            .field("operation", &self.operation)
            .field("problem", &self.problem)
            .field("source", &self.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.kind {
            StoreErrorKind::Unknown => "may or may not have been done",
            _ => "was not done",
        };
        write!(
            f,
            "the store operation `{}` {outcome}: {}",
            self.operation, self.problem
        )
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_ref()
            .map(|source| &**source as &(dyn StdError + 'static))
    }
}
