//! The metrics that this crate tells, by name: to describe them to whatever collects them, and to make dashboards of.
//!
//! They go through the `metrics` facade, so any exporter for it has them; until one is installed, they cost next to nothing.
//! Install it before policies are made: the series of one that is older are first shown when something happens to it.
//! Labels are few on purpose: a key's template or a policy's name, never a rendered key.
//!
//! ```
//! // Once, after the exporter is installed.
//! coord::metrics::describe();
//!
//! assert!(coord::metrics::ALL.iter().any(|metric| metric.name == "coord_lock_lost_total"));
//! ```

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Buckets for the time that a lock or an answer is waited for, in seconds.
const WAITS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Buckets for the time that something of the user's takes, in seconds.
const WORKS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];
/// Buckets for an operation of a store, from memory to one that hardly answers, in seconds.
const OPERATIONS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
];
/// Buckets for sagas, which may wait for hours, in seconds.
const SAGAS: &[f64] = &[
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0,
];
/// Buckets for how often something was tried.
const ATTEMPTS: &[f64] = &[1.0, 2.0, 3.0, 5.0, 8.0];

/// What kind of metric one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A number that only grows.
    Counter,
    /// A number that is what it was last set to.
    Gauge,
    /// A distribution.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// What it counts or measures: a number of things, or seconds.
    pub unit: Unit,
    /// What it tells, in one sentence.
    pub description: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// The upper bounds of buckets that fit a histogram; none for others.
    pub buckets: &'static [f64],
}

/// A constant for each, and the list of all.
macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal, $unit:ident, $labels:expr, $buckets:expr, $description:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $description)]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                unit: Unit::$unit,
                description: $description,
                labels: $labels,
                buckets: $buckets,
            };
        )*

        /// All of them.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

const TEMPLATE: &[&str] = &["template"];

metrics! {
    LOCK_ACQUIRED = Counter "coord_lock_acquired_total", Count, TEMPLATE, &[], "Locks that were got.";
    LOCK_FAILED = Counter "coord_lock_failed_total", Count, TEMPLATE, &[], "Locks that were not got: not free for one who does not wait, or the store failed.";
    LOCK_TIMEOUT = Counter "coord_lock_timeout_total", Count, TEMPLATE, &[], "Locks that were not free within the time that was waited.";
    LOCK_CANCELLED = Counter "coord_lock_cancelled_total", Count, TEMPLATE, &[], "Locks whose caller went away before they were got.";
    LOCK_RELEASED = Counter "coord_lock_released_total", Count, TEMPLATE, &[], "Locks that were given back.";
    LOCK_LOST = Counter "coord_lock_lost_total", Count, TEMPLATE, &[], "Locks that were lost while they were needed.";
    LOCK_ORDER_CYCLES = Counter "coord_lock_order_cycles_total", Count, TEMPLATE, &[], "Orders of locks that can deadlock, each counted once.";
    LOCK_ACQUISITION_SECONDS = Histogram "coord_lock_acquisition_duration_seconds", Seconds, TEMPLATE, WAITS, "The time it took to get a lock.";
    LOCK_HELD_SECONDS = Histogram "coord_lock_held_duration_seconds", Seconds, TEMPLATE, WORKS, "The time a lock was held.";
    LOCK_ATTEMPTS = Histogram "coord_lock_contention_attempts", Count, TEMPLATE, ATTEMPTS, "Requests to the store until a lock was got.";
    IDEMPOTENCY_HIT = Counter "coord_idempotency_hit_total", Count, TEMPLATE, &[], "Calls that were answered with an earlier result.";
    IDEMPOTENCY_MISS = Counter "coord_idempotency_miss_total", Count, TEMPLATE, &[], "Calls whose body was begun.";
    IDEMPOTENCY_EXECUTED = Counter "coord_idempotency_executed_total", Count, TEMPLATE, &[], "Calls whose result was stored.";
    IDEMPOTENCY_FAILED = Counter "coord_idempotency_failed_total", Count, TEMPLATE, &[], "Calls that failed.";
    IDEMPOTENCY_SECONDS = Histogram "coord_idempotency_execution_duration_seconds", Seconds, TEMPLATE, WORKS, "The time the body of a call took.";
    SAGA_STARTED = Counter "coord_saga_started_total", Count, TEMPLATE, &[], "Sagas that were started.";
    SAGA_COMPLETED = Counter "coord_saga_completed_total", Count, TEMPLATE, &[], "Sagas all of whose steps were done.";
    SAGA_FAILED = Counter "coord_saga_failed_total", Count, TEMPLATE, &[], "Sagas of which a step failed for good.";
    SAGA_COMPENSATED = Counter "coord_saga_compensated_total", Count, TEMPLATE, &[], "Sagas that were undone.";
    SAGA_RECOVERED = Counter "coord_saga_recovered_total", Count, TEMPLATE, &[], "Sagas that were taken over from a process that is gone, or gone on with by hand.";
    SAGA_STUCK = Counter "coord_saga_stuck_total", Count, TEMPLATE, &[], "Sagas that a person has to look at.";
    SAGA_SECONDS = Histogram "coord_saga_duration_seconds", Seconds, TEMPLATE, SAGAS, "The time from the start of a saga to its completion.";
    SAGA_STEP_SECONDS = Histogram "coord_saga_step_duration_seconds", Seconds, TEMPLATE, WORKS, "The time an attempt of a step took.";
    RETRY_ATTEMPTS = Histogram "coord_retry_attempts", Count, &["name"], ATTEMPTS, "Attempts of a call that did not succeed at once.";
    RETRY_EXHAUSTED = Counter "coord_retry_exhausted_total", Count, &["name", "reason"], &[], "Calls that were given up.";
    BREAKER_STATE = Gauge "coord_breaker_state", Count, &["name", "state"], &[], "1 for the state that a circuit breaker is in, 0 for the others.";
    STORE_OPERATION_SECONDS = Histogram "coord_store_operation_duration_seconds", Seconds, &["store", "operation", "outcome"], OPERATIONS, "The time an operation of the store took.";
    BREAKER_TRANSITIONS = Counter "coord_breaker_transitions_total", Count, &["name", "to"], &[], "Changes of a circuit breaker to a state.";
}

/// Tells the installed recorder the unit and the meaning of each. Call it once, after the exporter is installed; a second
/// time changes nothing.
pub fn describe() {
    for metric in ALL {
        let Metric {
            name,
            unit,
            description,
            ..
        } = *metric;
        match metric.kind {
            Kind::Counter => describe_counter!(name, unit, description),
            Kind::Gauge => describe_gauge!(name, unit, description),
            Kind::Histogram => describe_histogram!(name, unit, description),
        }
    }
}

/// Has the Prometheus exporter render histograms with the buckets that fit them. Without, it renders summaries, which
/// cannot be added up over processes.
///
/// Needs the feature `prometheus`.
///
/// # Errors
///
/// Those of the exporter; with the buckets of this version there are none.
///
/// ```
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let recorder = coord::metrics::with_buckets(PrometheusBuilder::new())?.build_recorder();
/// let handle = recorder.handle();
/// metrics::set_global_recorder(recorder)?;
/// coord::metrics::describe();
/// // What a handler of `/metrics` answers:
/// let page = handle.render();
/// // Every few seconds, in a task or a thread: what is recorded piles up otherwise while nobody asks for the page.
/// handle.run_upkeep();
/// # let _ = page; Ok(()) }
/// ```
#[cfg(feature = "prometheus")]
pub fn with_buckets(
    builder: metrics_exporter_prometheus::PrometheusBuilder,
) -> Result<metrics_exporter_prometheus::PrometheusBuilder, metrics_exporter_prometheus::BuildError>
{
    ALL.iter()
        .filter(|metric| metric.kind == Kind::Histogram)
        .try_fold(builder, |builder, metric| {
            let name = metrics_exporter_prometheus::Matcher::Full(metric.name.to_owned());
            builder.set_buckets_for_metric(name, metric.buckets)
        })
}
