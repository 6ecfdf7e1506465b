//! Idempotency: calls that have their effect once for each key, whatever dies on the way.
//!
//! Start at [`Coordinator::idempotency`](crate::Coordinator::idempotency); a call is asked for with an
//! [`IdempotencyBuilder`].
//!
//! # What is promised
//!
//! - The body of a key runs to its end and has its result stored at most once per `ttl`. All calls that return a
//!   result return that one.
//! - A body that fails, panics, is dropped, or whose process dies is run again by the next call. So a body can
//!   begin more than once, and its *effects* are at least once: pass
//!   [`downstream_key`](IdempotencyContext::downstream_key) on to whoever carries them out.
//! - A call that is too late, because its process stood still for longer than its `lease`, does not get its
//!   result in: it returns the winner's result, or [`Error::LockLost`](crate::Error::LockLost).

// `settle` is the table of what a call does about what the store has; `execute` runs the body under a record
// that is ours, which `running` is what this process knows of. `record` is what is stored, `codec` what of it
// is the result, written as `exact` has it. `call` puts them together.
// `inspect` is for people who look.
// `transactional` is the same in a transaction of the caller's.

mod builder;
mod cache;
mod call;
mod codec;
mod collisions;
mod context;
mod exact;
mod execute;
mod fingerprint;
mod inspect;
mod outcome;
mod record;
mod running;
mod settle;
#[cfg(feature = "postgres")]
mod transactional;

pub use builder::{Forgotten, IdempotencyBuilder, Remembered};
pub(crate) use call::Request;
#[doc(hidden)]
pub use codec::Codec;
pub use context::IdempotencyContext;
pub(crate) use exact::Exact;
pub(crate) use fingerprint::Fingerprint;
#[doc(hidden)]
pub use fingerprint::FingerprintParts;
pub use inspect::{
    IdempotencyRecords, RecordDetails, RecordFilter, RecordPage, RecordState, RecordSummary,
};
pub use outcome::Outcome;
#[cfg(feature = "http")]
pub(crate) use record::State;
#[cfg(feature = "postgres")]
pub use transactional::{CallInTransaction, InTransaction};
