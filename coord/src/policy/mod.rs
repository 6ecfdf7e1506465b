//! Policies around a call: trying it again, and not making it for a while.
//!
//! Start at [`RetryPolicy`] and [`CircuitBreaker`]; neither needs a coordinator or a store. [`RetryBudget`]
//! bounds how much load retries add. Time is tokio's, so that tests can pause it.

// `jitter` and `backoff` say how long to wait; `retry` is a policy and its builder, `plan` what is to be done
// for one call, and `call` does it. `breaker` has a folder of its own. `start` is why what `run` returns can be awaited.

mod backoff;
mod breaker;
mod budget;
mod call;
mod jitter;
mod plan;
mod retry;
mod start;

pub use breaker::{
    BreakerError, BreakerObserver, BreakerState, CircuitBreaker, CircuitBreakerBuilder, Guarded,
};
pub use budget::RetryBudget;
pub use jitter::Jitter;
pub use plan::Retry;
pub use retry::{RetryPolicy, RetryPolicyBuilder};

pub(crate) use breaker::guard;
pub(crate) use call::run;
