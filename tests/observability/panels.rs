//! What the dashboard shows: rows of panels, each with its queries.

use coord::metrics::{self, Metric};

use crate::alerts::grown;

/// Panels under one heading.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) panels: Vec<Panel>,
}

/// One diagram.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// What it is for, and what to do when it looks wrong.
    pub(crate) description: &'static str,
    pub(crate) unit: Unit,
    pub(crate) queries: Vec<Query>,
}

/// What is drawn, and what it is called there.
pub(crate) struct Query {
    pub(crate) expression: String,
    pub(crate) legend: &'static str,
}

/// What numbers mean, as Grafana calls it.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Seconds,
    PerSecond,
    Number,
    Share,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::PerSecond => "ops",
            Self::Number => "short",
            Self::Share => "percentunit",
        }
    }
}

/// The choice of templates at the top of the dashboard.
const CHOSEN: &str = "template=~\"$template\"";

/// All rows: first what somebody has to act on, then one for each thing that can be slow.
pub(crate) fn rows() -> Vec<Row> {
    vec![
        to_act_on(),
        locks(),
        idempotency(),
        sagas(),
        policies(),
        stores(),
    ]
}

fn to_act_on() -> Row {
    let grown = |metric: &Metric| {
        query(
            grown(metric, &format!("{{{CHOSEN}}}"), "$__range"),
            "{{template}}",
        )
    };
    let shown = |title, metric: &Metric, description| Panel {
        title,
        description,
        unit: Unit::Number,
        queries: vec![grown(metric)],
    };
    Row {
        title: "To act on",
        panels: vec![
            shown(
                "Sagas stuck",
                &metrics::SAGA_STUCK,
                "A compensation has failed for good. List them, see why in their history, and resume or abandon them.",
            ),
            shown(
                "Locks lost",
                &metrics::LOCK_LOST,
                "Holders that were paused for longer than their ttl, or a store that does not answer in time. What they wrote late, only the fencing token keeps out.",
            ),
            shown(
                "Orders of locks that can deadlock",
                &metrics::LOCK_ORDER_CYCLES,
                "Found before anything hangs: the event names both places. Take the locks in one order, or together.",
            ),
            shown(
                "Sagas taken over",
                &metrics::SAGA_RECOVERED,
                "Each is a process that died, or was cut off for longer than its lease.",
            ),
        ],
    }
}

fn locks() -> Row {
    let rate = |metric: &Metric, legend| query(sum("template", &rate(metric, CHOSEN)), legend);
    Row {
        title: "Locks",
        panels: vec![
            panel(
                "How acquisitions end",
                "Each ends in one of four ways. Timeouts that grow against acquired: too many want the same key, or one holds it for too long.",
                Unit::PerSecond,
                vec![
                    rate(&metrics::LOCK_ACQUIRED, "{{template}} acquired"),
                    rate(&metrics::LOCK_TIMEOUT, "{{template}} timeout"),
                    rate(&metrics::LOCK_FAILED, "{{template}} failed"),
                    rate(&metrics::LOCK_CANCELLED, "{{template}} cancelled"),
                ],
            ),
            panel(
                "Share not acquired in time",
                "Of those who waited.",
                Unit::Share,
                vec![query(
                    share(
                        &metrics::LOCK_TIMEOUT,
                        &[&metrics::LOCK_ACQUIRED, &metrics::LOCK_TIMEOUT],
                    ),
                    "{{template}}",
                )],
            ),
            panel(
                "Time to get a lock",
                "Median and 99th percentile. Compare with how long they are held: waiting is others holding.",
                Unit::Seconds,
                quantiles(&metrics::LOCK_ACQUISITION_SECONDS),
            ),
            panel(
                "Time a lock is held",
                "What is held for long makes others wait. Above the ttl it lives by renewals alone.",
                Unit::Seconds,
                quantiles(&metrics::LOCK_HELD_SECONDS),
            ),
            panel(
                "Requests until a lock was got",
                "1 is free at once, 2 is waited for once. More is a store that forgets, or does not answer.",
                Unit::Number,
                vec![query(
                    mean(&metrics::LOCK_ATTEMPTS, "template"),
                    "{{template}}",
                )],
            ),
            panel(
                "Given back",
                "Against lost ones.",
                Unit::PerSecond,
                vec![
                    rate(&metrics::LOCK_RELEASED, "{{template}} released"),
                    rate(&metrics::LOCK_LOST, "{{template}} lost"),
                ],
            ),
        ],
    }
}

fn idempotency() -> Row {
    let rate = |metric: &Metric, legend| query(sum("template", &rate(metric, CHOSEN)), legend);
    Row {
        title: "Idempotent calls",
        panels: vec![
            panel(
                "Run and replayed",
                "Replays are repeated requests that had no second effect.",
                Unit::PerSecond,
                vec![
                    rate(&metrics::IDEMPOTENCY_EXECUTED, "{{template}} executed"),
                    rate(&metrics::IDEMPOTENCY_HIT, "{{template}} replayed"),
                    rate(&metrics::IDEMPOTENCY_MISS, "{{template}} begun"),
                    rate(&metrics::IDEMPOTENCY_FAILED, "{{template}} failed"),
                ],
            ),
            panel(
                "Share that is replayed",
                "If it jumps, a client repeats itself: look at what it is answered, and how fast.",
                Unit::Share,
                vec![query(
                    share(
                        &metrics::IDEMPOTENCY_HIT,
                        &[&metrics::IDEMPOTENCY_HIT, &metrics::IDEMPOTENCY_MISS],
                    ),
                    "{{template}}",
                )],
            ),
            panel(
                "Time a body takes",
                "Others with the same key wait for as long.",
                Unit::Seconds,
                quantiles(&metrics::IDEMPOTENCY_SECONDS),
            ),
        ],
    }
}

fn sagas() -> Row {
    let rate = |metric: &Metric, legend| query(sum("template", &rate(metric, CHOSEN)), legend);
    // One that is stuck has not ended: resumed, it ends once more.
    let under_way = [&metrics::SAGA_COMPLETED, &metrics::SAGA_COMPENSATED]
        .map(|metric| format!(" - sum by (template) ({}{{{CHOSEN}}})", metric.name))
        .concat();
    Row {
        title: "Sagas",
        panels: vec![
            panel(
                "How they end",
                "Failed ones are undone, and then compensated or stuck.",
                Unit::PerSecond,
                vec![
                    rate(&metrics::SAGA_STARTED, "{{template}} started"),
                    rate(&metrics::SAGA_COMPLETED, "{{template}} completed"),
                    rate(&metrics::SAGA_FAILED, "{{template}} failed"),
                    rate(&metrics::SAGA_COMPENSATED, "{{template}} compensated"),
                ],
            ),
            panel(
                "Under way",
                "Started and not ended, since the processes started, with those that are stuck or were abandoned. If it only grows, sagas wait for something.",
                Unit::Number,
                vec![query(
                    format!(
                        "sum by (template) ({}{{{CHOSEN}}}){under_way}",
                        metrics::SAGA_STARTED.name
                    ),
                    "{{template}}",
                )],
            ),
            panel(
                "Time from start to completion",
                "Across processes and crashes.",
                Unit::Seconds,
                quantiles(&metrics::SAGA_SECONDS),
            ),
            panel(
                "Time of a step's attempt",
                "A step that takes as long as its timeout is one that is retried.",
                Unit::Seconds,
                quantiles(&metrics::SAGA_STEP_SECONDS),
            ),
        ],
    }
}

fn policies() -> Row {
    Row {
        title: "Retries and circuit breakers",
        panels: vec![
            panel(
                "Given up",
                "By what put an end to it: retries, the deadline, the budget, or an open breaker.",
                Unit::PerSecond,
                vec![query(
                    sum("name, reason", &rate(&metrics::RETRY_EXHAUSTED, "")),
                    "{{name}}: {{reason}}",
                )],
            ),
            panel(
                "Attempts of retried calls",
                "The mean, of calls that did not succeed at once.",
                Unit::Number,
                vec![query(
                    mean_of(&metrics::RETRY_ATTEMPTS, "name", ""),
                    "{{name}}",
                )],
            ),
            panel(
                "Breakers that are not closed",
                "Processes in which they are: something downstream is away.",
                Unit::Number,
                vec![query(
                    format!(
                        "sum by (name, state) ({}{{state!=\"closed\"}})",
                        metrics::BREAKER_STATE.name
                    ),
                    "{{name}} {{state}}",
                )],
            ),
            panel(
                "Changes of breakers",
                "One that flaps is set too tight, or what it guards is half down.",
                Unit::PerSecond,
                vec![query(
                    sum("name, to", &rate(&metrics::BREAKER_TRANSITIONS, "")),
                    "{{name}} to {{to}}",
                )],
            ),
        ],
    }
}

fn stores() -> Row {
    let metric = &metrics::STORE_OPERATION_SECONDS;
    Row {
        title: "Store",
        panels: vec![
            panel(
                "Time of operations",
                "99th percentile. If locks are slow and this is not, they wait for each other.",
                Unit::Seconds,
                vec![query(
                    quantile_of(0.99, metric, "store, operation", ""),
                    "{{store}} {{operation}}",
                )],
            ),
            panel(
                "Operations",
                "How much is asked of it.",
                Unit::PerSecond,
                vec![query(
                    sum(
                        "store, operation",
                        &rate_of(&format!("{}_count", metric.name), ""),
                    ),
                    "{{store}} {{operation}}",
                )],
            ),
            panel(
                "Operations that were not answered",
                "Failed ones were not done. Unknown ones may have been, and are asked again. Cancelled are those whose caller went away.",
                Unit::PerSecond,
                vec![query(
                    sum(
                        "store, operation, outcome",
                        &rate_of(&format!("{}_count", metric.name), "outcome!=\"ok\""),
                    ),
                    "{{store}} {{operation}} {{outcome}}",
                )],
            ),
        ],
    }
}

fn panel(title: &'static str, description: &'static str, unit: Unit, queries: Vec<Query>) -> Panel {
    Panel {
        title,
        description,
        unit,
        queries,
    }
}

fn query(expression: String, legend: &'static str) -> Query {
    Query { expression, legend }
}

fn rate(metric: &Metric, chosen: &str) -> String {
    rate_of(metric.name, chosen)
}

fn rate_of(name: &str, chosen: &str) -> String {
    format!("rate({name}{{{chosen}}}[$__rate_interval])")
}

fn sum(by: &str, of: &str) -> String {
    format!("sum by ({by}) ({of})")
}

/// The part that `one` has in `all`; nothing if there is nothing.
fn share(one: &Metric, all: &[&Metric]) -> String {
    let part = |metric: &&Metric| sum("template", &rate(metric, CHOSEN));
    let whole = all.iter().map(part).collect::<Vec<_>>().join(" + ");
    format!("{} / ({whole} > 0)", part(&one))
}

fn quantiles(metric: &Metric) -> Vec<Query> {
    vec![
        query(
            quantile_of(0.5, metric, "template", CHOSEN),
            "{{template}} median",
        ),
        query(
            quantile_of(0.99, metric, "template", CHOSEN),
            "{{template}} 99 %",
        ),
    ]
}

fn quantile_of(quantile: f64, metric: &Metric, by: &str, chosen: &str) -> String {
    let buckets = rate_of(&format!("{}_bucket", metric.name), chosen);
    format!("histogram_quantile({quantile}, sum by (le, {by}) ({buckets}))")
}

fn mean(metric: &Metric, by: &str) -> String {
    mean_of(metric, by, CHOSEN)
}

fn mean_of(metric: &Metric, by: &str, chosen: &str) -> String {
    let of = |part: &str| sum(by, &rate_of(&format!("{}_{part}", metric.name), chosen));
    format!("{} / {}", of("sum"), of("count"))
}
