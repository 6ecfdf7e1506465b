//! Where things stand in etcd: all below one prefix, of which nobody else knows.
//!
//! Names of lines and logs have their length in front, so that none is the beginning of another.

use crate::store::{LeaseId, OwnerId};

#[derive(Debug, Clone)]
pub(super) struct Root(String);

impl Root {
    pub(super) fn new(prefix: String) -> Self {
        Self(prefix)
    }

    pub(super) fn prefix(&self) -> &str {
        &self.0
    }

    /// What is added to a revision to make a token of it.
    pub(super) fn base(&self) -> String {
        format!("{}base", self.0)
    }

    pub(super) fn record(&self, key: &str) -> String {
        format!("{}records/{key}", self.0)
    }

    /// What a mutation of a record leaves, for those who send it again.
    pub(super) fn operation(&self, operation: u128) -> String {
        format!("{}operations/{operation:032x}", self.0)
    }

    /// All in line for a resource stand below it.
    pub(super) fn line(&self, resource: &str) -> String {
        format!("{}lines/{:04}/{resource}/", self.0, resource.len())
    }

    /// All lines stand below it.
    pub(super) fn lines(&self) -> String {
        format!("{}lines/", self.0)
    }

    /// What a release leaves.
    pub(super) fn stone(&self, lease: &LeaseId) -> String {
        let LeaseId { resource, owner } = lease;
        format!(
            "{}released/{:04}/{resource}/{:032x}",
            self.0,
            resource.len(),
            owner.to_bits()
        )
    }

    pub(super) fn log(&self, log: &str) -> String {
        format!("{}logs/{:04}/{log}/", self.0, log.len())
    }
}

/// The resource in whose line the member with this key is.
pub(super) fn resource<'k>(lines: &str, key: &'k str) -> Option<&'k str> {
    let (_, below) = key.strip_prefix(lines)?.split_once('/')?;
    let (resource, _) = below.rsplit_once('/')?;
    Some(resource)
}

/// Where a member of a line may stand. It takes the first that is free: see [`leases`](super::leases).
pub(super) fn places(line: &str, owner: OwnerId) -> [String; 3] {
    let bits = owner.to_bits();
    [
        format!("{line}{:02x}", bits >> 123),
        format!("{line}{:03x}", bits >> 118),
        format!("{line}{bits:032x}"),
    ]
}

/// Whether a key below a line is that of a member. There are marks besides.
pub(super) fn is_member(line: &str, key: &[u8]) -> bool {
    key.strip_prefix(line.as_bytes())
        .is_some_and(|place| !place.is_empty() && place.iter().all(u8::is_ascii_hexdigit))
}

/// What goes when others have been given later tokens.
pub(super) fn mark(line: &str, number: u128) -> String {
    format!("{line}raised/{number:032x}")
}

/// Twelve digits, so that the order of the keys is that of the entries.
pub(super) fn entry(log: &str, index: u64) -> String {
    format!("{log}{index:012}")
}

pub(super) fn index(log: &str, key: &[u8]) -> Option<u64> {
    std::str::from_utf8(key.strip_prefix(log.as_bytes())?)
        .ok()?
        .parse()
        .ok()
}
