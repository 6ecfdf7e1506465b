//! What reaches an OpenTelemetry collector: the example sends, and a receiver here takes it in.

mod receiver;

use std::process::Stdio;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use receiver::Collector;
use tokio::process::Command;

/// Runs the example until it has sent everything.
async fn run_example(endpoint: &str) -> String {
    let example = Command::new(env!("CARGO_BIN_EXE_telemetry"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = example.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn spans_reach_a_collector_with_their_fields_and_within_each_other() {
    let collector = Collector::start().await;
    let said = run_example(&collector.endpoint()).await;
    assert!(said.contains("with the collector"), "{said}");
    let spans = collector.spans();
    let named = |name: &str| {
        spans
            .iter()
            .filter(|span| span.name == name)
            .collect::<Vec<_>>()
    };
    let (locks, calls) = (named("coord.lock"), named("coord.idempotency"));
    assert_eq!((locks.len(), calls.len()), (2, 2), "{spans:?}");
    for lock in &locks {
        assert_eq!(lock.field("template").as_deref(), Some("order:<id>"));
        assert_eq!(lock.field("correlation_id").as_deref(), Some("request-7"));
        assert_eq!(lock.field("outcome").as_deref(), Some("released"));
        assert!(lock.has_each_field_once(), "{lock:?}");
        let held = lock.field("hold_seconds").unwrap().parse::<f64>();
        assert!(held.unwrap() > 0.0);
    }
    let outcomes: Vec<_> = calls
        .iter()
        .map(|call| call.field("outcome").unwrap())
        .collect();
    assert_eq!(outcomes, ["executed", "replayed"]);
    for (call, lock) in calls.iter().zip(&locks) {
        assert_eq!(call.trace, lock.trace);
        assert_eq!(call.parent, lock.id, "the call runs inside of the lock");
    }
}

#[tokio::test]
async fn metrics_reach_a_collector_with_units_and_buckets() {
    let collector = Collector::start().await;
    run_example(&collector.endpoint()).await;
    let metrics = collector.metrics();
    let named = |name: &str| {
        let found = metrics.iter().find(|metric| metric.name == name);
        found.unwrap_or_else(|| panic!("{name} did not come"))
    };
    let acquired = named("coord_lock_acquired_total");
    assert_eq!(
        acquired.description,
        coord::metrics::LOCK_ACQUIRED.description
    );
    let Some(Data::Sum(sum)) = &acquired.data else {
        panic!("{acquired:?}");
    };
    assert!(sum.is_monotonic);
    assert_eq!(
        receiver::labels(&sum.data_points[0].attributes),
        "template=order:<id>"
    );

    let held = named("coord_lock_held_duration_seconds");
    assert!(["s", "seconds"].contains(&&*held.unit), "{}", held.unit);
    let Some(Data::Histogram(histogram)) = &held.data else {
        panic!("{held:?}");
    };
    let point = &histogram.data_points[0];
    assert_eq!(
        (point.count, &*point.explicit_bounds),
        (2, coord::metrics::LOCK_HELD_SECONDS.buckets)
    );

    let store = named("coord_store_operation_duration_seconds");
    let Some(Data::Histogram(histogram)) = &store.data else {
        panic!("{store:?}");
    };
    let labels: Vec<_> = histogram
        .data_points
        .iter()
        .map(|point| receiver::labels(&point.attributes))
        .collect();
    assert!(
        labels.contains(&"operation=acquire outcome=ok store=memory".to_owned()),
        "{labels:?}"
    );
}

#[tokio::test]
async fn without_a_collector_the_program_runs_and_says_so() {
    // Nobody listens on a port that was given back.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let said = run_example(&endpoint).await;
    assert!(said.contains("no collector took them"), "{said}");
}
