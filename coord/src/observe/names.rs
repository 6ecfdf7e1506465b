//! The names of the metrics. They are part of the public contract.

pub(crate) const LOCK_ACQUIRED: &str = "coord_lock_acquired_total";
pub(crate) const LOCK_FAILED: &str = "coord_lock_failed_total";
pub(crate) const LOCK_RELEASED: &str = "coord_lock_released_total";
pub(crate) const LOCK_TIMEOUT: &str = "coord_lock_timeout_total";
pub(crate) const LOCK_LOST: &str = "coord_lock_lost_total";
pub(crate) const LOCK_ACQUISITION: &str = "coord_lock_acquisition_duration_seconds";
pub(crate) const LOCK_HELD: &str = "coord_lock_held_duration_seconds";
pub(crate) const LOCK_CONTENTION: &str = "coord_lock_contention_attempts";
