#![doc = include_str!("../../README.md")]
//!
//! # Where to look
//!
//! - [`guide`]: what each thing is for, what it does not give, and what to do about that.
//! - [`Coordinator`]: connect, install, lock.
//! - [`locked`], [`key!`] and the derive of [`KeyPart`]: what the compiler checks.
//! - [`idempotent`] and [`idempotency`]: calls that have their effect once.
//! - [`Lease`]: a held lock, its [`FencingToken`], its loss.
//! - [`RetryPolicy`], [`CircuitBreaker`], [`retry`], [`circuit_breaker`]: calling again, and not calling.
//! - `http`, with the feature of that name: HTTP requests that clients can repeat.
//! - [`saga`](macro@saga) and [`Coordinator::saga`]: work of several steps that is finished or undone, with
//!   [`Coordinator::recovery`] for what crashes leave and [`Coordinator::sagas`] to look at it. [`SagaError`] is how
//!   they end otherwise, [`StepContext`] what a step can ask.
//! - `testing`, with the feature of that name: the suite for stores, a store that fails, sagas that are killed
//!   everywhere.
//! - [`Coordinator::locks`] and [`Coordinator::idempotency_records`]: what is held and stored, for people who look. The
//!   command line, feature `cli`, shows it.
//! - [`store`]: the contract for backends, and the backends.
//! - [`registry`](fn@registry): what is annotated in this program. [`lock_order`]: which lock is taken inside of which.
//! - [`Error`]: what can go wrong, and what to do about it.
//!
//! # Metrics
//!
//! They are listed in [`metrics`](mod@metrics), which also describes them to an exporter.
//!
//! Through the `metrics` facade, labelled `template` with the key's template. Counters:
//! `coord_lock_acquired_total`, `coord_lock_failed_total`, `coord_lock_released_total`,
//! `coord_lock_timeout_total`, `coord_lock_cancelled_total` (each acquisition ends in one of these four: acquired, failed,
//! timeout, cancelled), `coord_lock_lost_total` and `coord_lock_order_cycles_total`. Histograms, in seconds:
//! `coord_lock_acquisition_duration_seconds`, `coord_lock_held_duration_seconds`; and, counting requests,
//! `coord_lock_contention_attempts`. Each lock is a span `coord.lock` with the fields `template`,
//! `correlation_id`, `outcome`, `wait_seconds` and `hold_seconds`. No rendered key stands in any of them.
//!
//! Of idempotent calls: `coord_idempotency_hit_total` (replayed), `coord_idempotency_miss_total` (the body
//! begins), `coord_idempotency_executed_total` (its result is stored) and `coord_idempotency_failed_total`
//! count, and `coord_idempotency_execution_duration_seconds` is the time that bodies took. Each call is a span
//! `coord.idempotency` with the fields `template`, `correlation_id`, `outcome` (`executed`, `replayed`,
//! `in_progress`, `mismatch`, `lost` or `failed`), `attempt`, and, of a replay, `executed_by`: the correlation
//! id of the call that ran the body, which leads to its trace.
//!
//! Of sagas: `coord_saga_started_total`, `coord_saga_completed_total`, `coord_saga_failed_total` (a step failed for
//! good), `coord_saga_compensated_total` (what was done is undone), `coord_saga_recovered_total` (taken over from a
//! process that is gone) and `coord_saga_stuck_total` count, `coord_saga_duration_seconds` is the time from the start
//! of a saga to its completion, and `coord_saga_step_duration_seconds` that of each attempt of a step. In each process
//! that executes it, a saga is a span `coord.saga` with the fields `template`, `saga` (its name), `correlation_id`,
//! `takeovers` and `outcome` (`completed`, `compensated`, `stuck`, `lost` to another process, `incompatible`, or `refused` by the store). It
//! is part of the trace of the call that started it here, and has in it a span for each attempt: `coord.saga.step` or
//! `coord.saga.compensation`, with the fields `template`, `correlation_id`, `step`, `item`, `attempt` and `outcome`
//! (`done` or `failed`). The correlation id is that of the call that began the saga, in whatever process it goes on,
//! which leads to its trace.
//!
//! Of the store: `coord_store_operation_duration_seconds`, a histogram with the labels `store` (`redis`, say), `operation`
//! and `outcome`: `ok`, `failed` (surely not done), `unknown` (perhaps done, and asked again with the same id) or
//! `cancelled` (whoever asked went away). It is measured if there is a recorder when the operation begins.
//!
//! Policies are labelled `name`. `coord_retry_attempts` is a histogram of attempts per call that did not succeed at
//! once (buckets 1, 2, 3, 5, 8 fit; 1 is an error that was not worth a retry), and
//! `coord_retry_exhausted_total` counts calls that were given up, with the label `reason`: `retries`,
//! `deadline`, `budget` or `circuit_open`. `coord_breaker_state` is a gauge for each `state`, 1 for the current
//! one and 0 for the others, and `coord_breaker_transitions_total` counts changes `to` a state. A call that is
//! retried is a span `coord.retry` from its first failure on, with the fields `name`, `correlation_id`,
//! `attempts` and `outcome`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "cli")]
mod cli;
mod clock;
mod context;
mod coordinator;
mod error;
pub mod guide;
#[cfg(feature = "http")]
pub mod http;
pub mod idempotency;
pub mod key;
pub mod lock;
pub mod metrics;
mod observe;
pub mod policy;
pub mod registry;
pub mod saga;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
pub mod __private;

pub use context::Context;
#[cfg(feature = "macros")]
pub use coord_macros::{KeyPart, circuit_breaker, idempotent, key, locked, retry, saga};
pub use coordinator::{Coordinator, CoordinatorBuilder};
pub use error::{Error, StoreError, StoreErrorKind};
pub use idempotency::{IdempotencyContext, Outcome};
pub use key::{IntoKey, Key, KeyPart};
pub use lock::{Lease, lock_order};
pub use policy::{BreakerError, CircuitBreaker, Jitter, RetryPolicy};
pub use registry::registry;
pub use saga::{ClosureSaga, SagaError, SagaHandle, SagaState, StepContext, StepError};
pub use store::FencingToken;
