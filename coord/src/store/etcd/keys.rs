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

pub(super) fn member(line: &str, owner: OwnerId) -> String {
    format!("{line}{:032x}", owner.to_bits())
}

/// The owner in the key of a member. None, if it is something else below the line.
pub(super) fn owner(line: &str, key: &[u8]) -> Option<OwnerId> {
    let digits = std::str::from_utf8(key.strip_prefix(line.as_bytes())?).ok()?;
    let bits = u128::from_str_radix(digits, 16).ok()?;
    (digits.len() == 32).then_some(OwnerId::from_bits(bits))
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
