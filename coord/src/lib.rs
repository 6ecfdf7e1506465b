#![doc = include_str!("../../README.md")]
//!
//! # Where to look
//!
//! - [`Coordinator`]: connect, install, lock.
//! - [`locked`], [`key!`] and the derive of [`KeyPart`]: what the compiler checks.
//! - [`Lease`]: a held lock, its [`FencingToken`], its loss.
//! - [`saga`](macro@saga): work of several steps that is finished or undone.
//! - [`store`]: the contract for backends, and the backends.
//! - [`Error`]: what can go wrong, and what to do about it.
//!
//! # Metrics
//!
//! Through the `metrics` facade, labelled `template` with the key's template. Counters:
//! `coord_lock_acquired_total`, `coord_lock_failed_total`, `coord_lock_released_total`,
//! `coord_lock_timeout_total`, `coord_lock_lost_total`. Histograms, in seconds:
//! `coord_lock_acquisition_duration_seconds`, `coord_lock_held_duration_seconds`; and, counting requests,
//! `coord_lock_contention_attempts`. Each lock is a span `coord.lock` with the fields `template`,
//! `correlation_id`, `outcome`, `wait_seconds` and `hold_seconds`. No rendered key stands in any of them.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod context;
mod coordinator;
mod error;
pub mod idempotency;
pub mod key;
pub mod lock;
mod observe;
pub mod saga;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
pub mod __private;

pub use context::Context;
#[cfg(feature = "macros")]
pub use coord_macros::{KeyPart, idempotent, key, locked, saga};
pub use coordinator::{Coordinator, CoordinatorBuilder};
pub use error::{Error, StoreError, StoreErrorKind};
pub use idempotency::{IdempotencyContext, Outcome};
pub use key::{IntoKey, Key, KeyPart};
pub use lock::Lease;
pub use saga::{SagaError, StepContext, StepError};
pub use store::FencingToken;
