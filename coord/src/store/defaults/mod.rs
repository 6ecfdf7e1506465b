//! Leases, logs, and several records at once on top of the four record operations, for stores that have nothing better.

pub(super) mod leases;
pub(super) mod logs;
pub(super) mod records;
mod stored_line;

use crate::error::{StoreError, StoreErrorKind};

/// How often a read and a conditional write are tried before the record is called too busy.
const TRIES: usize = 1_000;

fn too_busy(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::NotApplied,
        operation,
        "others kept changing the same record; try again, or use a store with leases of its own",
    )
}

/// The same of an operation of which a part is done already.
fn in_part(error: StoreError) -> StoreError {
    error.of_kind(StoreErrorKind::Unknown)
}

fn damaged(operation: &'static str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Rejected,
        operation,
        "the record that keeps the line cannot be read; something else has written under its key",
    )
}
