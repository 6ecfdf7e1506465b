//! Records: values with a version, an expiry and conditional writes.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::{Result, limits};

/// The identity of one mutation: 128 random bits, made before it is first sent. Sending the same request
/// again is recognised by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OperationId(u128);

impl OperationId {
    /// A new id.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Its bits.
    pub const fn to_bits(self) -> u128 {
        self.0
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperationId({:032x})", self.0)
    }
}

/// A state of a record. Compared for equality only; it never comes again for the same key, not even after
/// the record was deleted or expired.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version(u128);

impl Version {
    /// A version from whatever a backend has that never repeats.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn to_bits(self) -> u128 {
        self.0
    }
}

/// The simplest version there is: the id of the operation that wrote the value.
impl From<OperationId> for Version {
    fn from(operation: OperationId) -> Self {
        Self(operation.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({:032x})", self.0)
    }
}

/// What is stored under a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Bytes,
    /// The version that a later conditional write can name.
    pub version: Version,
    /// How long it will still be there; `None` is forever.
    pub expires_in: Option<Duration>,
}

impl fmt::Debug for Entry {
    /// Shows the value's length only: values may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("bytes", &self.value.len())
            .field("version", &self.version)
            .field("expires_in", &self.expires_in)
            .finish()
    }
}

/// What must be true of a record for a write to happen.
#[derive(Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Any,
    /// There is none.
    Absent,
    /// It has this version.
    Version(Version),
    /// It has this value.
    Value(Bytes),
}

impl Condition {
    /// Whether it holds for what is there.
    pub fn holds(&self, current: Option<&Entry>) -> bool {
        match (self, current) {
            (Self::Any, _) | (Self::Absent, None) => true,
            (Self::Version(version), Some(entry)) => entry.version == *version,
            (Self::Value(value), Some(entry)) => entry.value == *value,
            _ => false,
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("Any"),
            Self::Absent => f.write_str("Absent"),
            Self::Version(version) => write!(f, "{version:?}"),
            Self::Value(value) => write!(f, "Value({} bytes)", value.len()),
        }
    }
}

/// A conditional write.
#[derive(Clone)]
pub struct PutRequest {
    /// Where.
    pub key: String,
    /// What.
    pub value: Bytes,
    /// On which condition.
    pub condition: Condition,
    /// For how long; `None` is forever.
    pub ttl: Option<Duration>,
    /// Whether `list_records` must find it.
    pub listed: bool,
    /// Whether those who watch the record need not be woken.
    pub quiet: bool,
    /// The identity of this write.
    pub operation: OperationId,
}

impl PutRequest {
    /// An unconditional write that lasts forever and need not be listed.
    pub fn new(key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            condition: Condition::Any,
            ttl: None,
            listed: false,
            quiet: false,
            operation: OperationId::random(),
        }
    }

    /// Writes only if `condition` holds.
    pub fn when(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// Lets the record expire.
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.ttl = ttl.into();
        self
    }

    /// Makes `list_records` find it, which costs some backends an index entry.
    pub fn listed(mut self) -> Self {
        self.listed = true;
        self
    }

    /// Writes what nobody waits for: stores may spare themselves to wake those who watch the record.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Whether the request is within the limits. Every store calls this first.
    pub fn check(&self) -> Result<()> {
        limits::check_key("put", &self.key)?;
        limits::check_value("put", &self.value)?;
        self.ttl.map_or(Ok(()), |ttl| limits::check_ttl("put", ttl))
    }
}

impl fmt::Debug for PutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutRequest")
            .field("bytes", &self.value.len())
            .field("condition", &self.condition)
            .field("ttl", &self.ttl)
            .field("listed", &self.listed)
            .field("quiet", &self.quiet)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// How a conditional write ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// Done; the record now has this version.
    Stored(Version),
    /// Not done, because this is there (or nothing is).
    Conflict(Option<Entry>),
}

/// A conditional delete.
#[derive(Clone)]
pub struct DeleteRequest {
    /// Where.
    pub key: String,
    /// On which condition.
    pub condition: Condition,
    /// The identity of this delete.
    pub operation: OperationId,
}

impl DeleteRequest {
    /// An unconditional delete.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            condition: Condition::Any,
            operation: OperationId::random(),
        }
    }

    /// Deletes only if `condition` holds.
    pub fn when(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// Whether the request is within the limits. Every store calls this first.
    pub fn check(&self) -> Result<()> {
        limits::check_key("delete", &self.key)
    }
}

impl fmt::Debug for DeleteRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeleteRequest")
            .field("condition", &self.condition)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// Which records to list.
#[derive(Debug, Clone)]
pub struct ListRequest {
    /// What their keys begin with.
    pub prefix: String,
    /// The key behind which to go on: [`Page::next`] of the page before.
    pub after: Option<String>,
    /// How many at the most.
    pub limit: usize,
}

impl ListRequest {
    /// The first page, of up to 100.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            after: None,
            limit: 100,
        }
    }

    /// Goes on behind a key.
    pub fn after(mut self, key: impl Into<Option<String>>) -> Self {
        self.after = key.into();
        self
    }

    /// How many at the most.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and what is stored there, in the order of the keys' bytes.
    pub entries: Vec<(String, Entry)>,
    /// Where the next page goes on, or `None` at the end.
    pub next: Option<String>,
}
