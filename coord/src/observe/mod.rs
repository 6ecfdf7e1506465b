//! What the outside can see: metrics through the `metrics` facade and events through `tracing`, both from
//! one [`emit`], so that neither forgets what the other tells.
//!
//! Labels carry the key's *template*, or the name of a policy. A rendered key never gets into a label, a span
//! or an event.

// One file for each kind of event, with its series; `series` is what all of them are made of.

mod idempotency;
mod lock;
mod policy;
mod saga;
mod series;
mod store;

pub(crate) use idempotency::IdempotencyEvent;
pub(crate) use lock::{LockEvent, LockOrderEvent};
pub(crate) use policy::{BreakerEvent, BreakerLabel, GivenUp, RetryEvent, RetryLabel};
pub(crate) use saga::SagaEvent;
pub(crate) use series::is_anybody_listening;
pub(crate) use store::{StoreEvent, StoreOperation, StoreOutcome};

/// Something that happened, and how it is told.
pub(crate) trait Event {
    /// What it happened to.
    type Subject<'a>;

    /// Tells metrics and tracing.
    fn tell(self, subject: Self::Subject<'_>);
}

/// Tells metrics and tracing of `event` at `subject`.
pub(crate) fn emit<E: Event>(subject: E::Subject<'_>, event: E) {
    event.tell(subject);
}
