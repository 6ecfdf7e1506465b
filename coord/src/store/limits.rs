//! What every store refuses before anything is sent.

use std::time::Duration;

use super::Result;
use crate::error::{StoreError, StoreErrorKind};

/// The most bytes of a key in a store: a user's key of up to 512 bytes, and what the namespace and the
/// layers above put around it.
pub const MAX_STORE_KEY_BYTES: usize = 768;

/// The most bytes of the name of a resource or a log. Less than a key's: stores without leases and logs of
/// their own put up to 64 bytes behind the name, to make keys of it.
pub const MAX_STORE_NAME_BYTES: usize = MAX_STORE_KEY_BYTES - 64;

/// The most bytes of a value: 1 MiB.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// The most bytes of a value that fits into every store, those included that put something beside it: ZooKeeper up to
/// 16 KiB, and stores that are made of stores up to 512 bytes. What this
/// crate stores for its users is no larger.
pub(super) const FITS_EVERYWHERE: usize = MAX_VALUE_BYTES - 17 * 1024;

/// The longest ttl: 366 days. Longer ones are more likely a mistaken unit than a wish.
pub const LARGEST_TTL: Duration = Duration::from_secs(366 * 24 * 60 * 60);

pub(super) fn check_key(operation: &'static str, key: &str) -> Result<()> {
    check_text(operation, "key", key, MAX_STORE_KEY_BYTES)
}

pub(super) fn check_name(operation: &'static str, name: &str) -> Result<()> {
    check_text(operation, "name", name, MAX_STORE_NAME_BYTES)
}

fn check_text(operation: &'static str, what: &str, text: &str, at_most: usize) -> Result<()> {
    if text.is_empty() {
        return rejected(operation, format!("the {what} is empty"));
    }
    if text.len() > at_most {
        let len = text.len();
        return rejected(
            operation,
            format!("the {what} has {len} bytes and the limit is {at_most}"),
        );
    }
    Ok(())
}

pub(super) fn check_value(operation: &'static str, value: &[u8]) -> Result<()> {
    check_size(operation, value, MAX_VALUE_BYTES)
}

/// For stores whose largest value is smaller than others'.
pub(super) fn check_size(operation: &'static str, value: &[u8], at_most: usize) -> Result<()> {
    if value.len() > at_most {
        return rejected(
            operation,
            format!(
                "the value has {} bytes and the limit is {at_most}; store it elsewhere and keep a reference",
                value.len()
            ),
        );
    }
    Ok(())
}

pub(crate) fn check_ttl(operation: &'static str, ttl: Duration) -> Result<()> {
    if ttl.is_zero() {
        return rejected(
            operation,
            "the ttl is zero: nothing would be kept".to_owned(),
        );
    }
    if ttl > LARGEST_TTL {
        return rejected(
            operation,
            format!("the ttl is {ttl:?} and the longest is 366 days"),
        );
    }
    Ok(())
}

fn rejected(operation: &'static str, problem: String) -> Result<()> {
    Err(StoreError::new(
        StoreErrorKind::Rejected,
        operation,
        problem,
    ))
}
