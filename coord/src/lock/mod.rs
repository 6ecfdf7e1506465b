//! Locks.
/// Lease
#[derive(Debug)] pub struct Lease {}
