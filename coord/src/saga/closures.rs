//! Sagas of closures, for steps that are known only at run time.
//!
//! 1. The body is the definition. It is run again after a failure and after a takeover; steps that are done give
//!    what is stored of them, so that only the way back to where it was is made again.
//! 2. A compensation is a closure of its step, and lives no longer. So steps are undone by running the body up to
//!    each of them, the latest first.
//! 3. A body that comes to other steps than those that are stored is refused, and the saga stays as it is.

mod body;
mod builder;
mod replay;
mod settle;

pub use body::{ClosureSaga, ClosureStep, Compensation, NoCompensation};
pub use builder::SagaBuilder;

/// What these sagas are called in the store.
pub(super) const NAME: &str = "closures";
