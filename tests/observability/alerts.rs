//! What is worth waking somebody for, as Prometheus reads it.

use std::fmt::Write as _;

use coord::metrics::{self, Metric};

/// One alert: a value that is above a bound for some time.
pub(crate) struct Alert {
    pub(crate) name: &'static str,
    /// What is compared. It has a value for as long as there is something to look at.
    pub(crate) value: String,
    pub(crate) bound: f64,
    pub(crate) lasts: &'static str,
    severity: &'static str,
    summary: &'static str,
    description: &'static str,
}

impl Alert {
    pub(crate) fn expression(&self) -> String {
        format!("{} > {}", self.value, self.bound)
    }
}

pub(crate) fn alerts() -> Vec<Alert> {
    let all = [of_sagas(), of_locks(), of_calls(), of_stores()];
    all.into_iter().flatten().collect()
}

fn of_sagas() -> Vec<Alert> {
    vec![
        Alert {
            name: "CoordSagaStuck",
            value: grown(&metrics::SAGA_STUCK, "", "1h"),
            bound: 0.0,
            lasts: "0m",
            severity: "page",
            summary: "A saga of {{ $labels.template }} is stuck",
            description: "A compensation has failed for good, so that neither all of the saga's steps count nor none. List those in the state `Stuck`, read their history, and resume or abandon them.",
        },
        Alert {
            name: "CoordSagaFailures",
            value: share(&metrics::SAGA_FAILED, &[&metrics::SAGA_STARTED]),
            bound: 0.1,
            lasts: "10m",
            severity: "ticket",
            summary: "One in ten sagas of {{ $labels.template }} is undone",
            description: "A step fails for good, after all of its retries. The history of one that was compensated names the step and its error.",
        },
        Alert {
            name: "CoordProcessesDie",
            value: grown(&metrics::SAGA_RECOVERED, "", "15m"),
            bound: 5.0,
            lasts: "0m",
            severity: "ticket",
            summary: "Sagas of {{ $labels.template }} are taken over again and again",
            description: "Their processes die or are shut down, are cut off from the store for longer than their lease, or somebody resumes many that were stuck. One saga that kills whoever executes it looks like this.",
        },
    ]
}

fn of_locks() -> Vec<Alert> {
    vec![
        Alert {
            name: "CoordLockLost",
            value: grown(&metrics::LOCK_LOST, "", "15m"),
            bound: 0.0,
            lasts: "0m",
            severity: "ticket",
            summary: "Locks of {{ $labels.template }} were lost while they were needed",
            description: "Holders were paused for longer than their ttl, or the store did not answer in time: look at coord_store_operation_duration_seconds, then at pauses of the process. What was written late is kept out by fencing tokens only.",
        },
        Alert {
            name: "CoordLockTimeouts",
            value: share(
                &metrics::LOCK_TIMEOUT,
                &[&metrics::LOCK_ACQUIRED, &metrics::LOCK_TIMEOUT],
            ),
            bound: 0.1,
            lasts: "10m",
            severity: "ticket",
            summary: "One in ten callers of {{ $labels.template }} does not get the lock in time",
            description: "Too many want the same key, or one holds it for too long: compare coord_lock_held_duration_seconds with what callers wait.",
        },
        Alert {
            name: "CoordLockOrderCycle",
            value: grown(&metrics::LOCK_ORDER_CYCLES, "", "1h"),
            bound: 0.0,
            lasts: "0m",
            severity: "ticket",
            summary: "Locks around {{ $labels.template }} are taken in orders that can deadlock",
            description: "The event `locks are taken in orders that can deadlock` names the places, as does coord::lock_order(). Take them in one order, or together.",
        },
    ]
}

fn of_calls() -> Vec<Alert> {
    vec![
        Alert {
            name: "CoordIdempotencyFailures",
            value: share(
                &metrics::IDEMPOTENCY_FAILED,
                &[
                    &metrics::IDEMPOTENCY_EXECUTED,
                    &metrics::IDEMPOTENCY_HIT,
                    &metrics::IDEMPOTENCY_FAILED,
                ],
            ),
            bound: 0.1,
            lasts: "10m",
            severity: "ticket",
            summary: "One in ten calls of {{ $labels.template }} fails",
            description: "Bodies fail, the store does, or calls are refused because another is under way (reject) or the arguments are others. What failed is run again by the next call, unless errors are remembered.",
        },
        Alert {
            name: "CoordCircuitOpen",
            value: format!(
                "max by (name) ({}{{state=\"open\"}})",
                metrics::BREAKER_STATE.name
            ),
            bound: 0.0,
            lasts: "5m",
            severity: "ticket",
            summary: "The circuit breaker {{ $labels.name }} is open",
            description: "What it guards is away, and calls are refused without being made.",
        },
        Alert {
            name: "CoordRetriesExhausted",
            value: format!(
                "sum by (name) (rate({}[5m]))",
                metrics::RETRY_EXHAUSTED.name
            ),
            bound: 1.0,
            lasts: "10m",
            severity: "ticket",
            summary: "Calls of {{ $labels.name }} are given up",
            description: "The label `reason` says whether it was the number of retries, the deadline, the budget, or an open circuit breaker.",
        },
    ]
}

fn of_stores() -> Vec<Alert> {
    vec![
        Alert {
            name: "CoordStoreFails",
            value: store_failures(),
            bound: 0.01,
            lasts: "5m",
            severity: "page",
            summary: "One in a hundred operations of the {{ $labels.store }} store is not answered",
            description: "Those that may or may not have been done are asked again with the same id, so nothing happens twice; but locks are lost when renewals fail for as long as their ttl.",
        },
        Alert {
            name: "CoordStoreSlow",
            value: format!(
                "histogram_quantile(0.99, sum by (le, store, operation) (rate({}_bucket[5m])))",
                metrics::STORE_OPERATION_SECONDS.name
            ),
            bound: 0.5,
            lasts: "5m",
            severity: "ticket",
            summary: "{{ $labels.operation }} takes long in the {{ $labels.store }} store",
            description: "One in a hundred takes over half a second. Every lock and every idempotent call waits for at least one operation.",
        },
    ]
}

/// The file's text.
pub(crate) fn text(alerts: &[Alert]) -> String {
    let mut text = String::from(
        "# Made by `COORD_GOLDEN=write cargo test -p coord-tests --test observability`; bounds and times are for a start.\n\
         groups:\n  - name: coord\n    rules:\n",
    );
    for alert in alerts {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let _ = write!(
            text,
            "      - alert: {}\n        expr: {}\n        for: {}\n        labels:\n          severity: {}\n        \
             annotations:\n          summary: {}\n          description: {}\n",
            alert.name,
            quoted(&alert.expression()),
            alert.lasts,
            alert.severity,
            quoted(alert.summary),
            quoted(alert.description),
        );
    }
    text
}

/// By how much a counter has grown that seldom does. One that was not there before has grown from nothing: `increase`
/// knows only what lies between two samples.
pub(crate) fn grown(metric: &Metric, chosen: &str, within: &str) -> String {
    let counter = format!("{}{chosen}", metric.name);
    format!(
        "sum by (template) (({counter} unless {counter} offset {within}) or increase({counter}[{within}]))"
    )
}

fn share(one: &Metric, all: &[&Metric]) -> String {
    let part = |metric: &&Metric| format!("sum by (template) (rate({}[5m]))", metric.name);
    let whole = all.iter().map(part).collect::<Vec<_>>().join(" + ");
    format!("{} / ({whole} > 0)", part(&one))
}

fn store_failures() -> String {
    let name = metrics::STORE_OPERATION_SECONDS.name;
    let of = |chosen: &str| format!("sum by (store) (rate({name}_count{chosen}[5m]))");
    format!("{} / ({} > 0)", of("{outcome=~\"failed|unknown\"}"), of(""))
}
