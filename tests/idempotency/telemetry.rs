//! What idempotent calls tell metrics and tracing, with templates in the place of keys.

use coord::{Context, Coordinator, Error, key};
use coord_tests::fleet::Fleet;
use coord_tests::recording::Recording;
use metrics::set_default_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshot};

/// What is in every rendered key here and in no template.
const SECRET: &str = "customer-4711";
const TEMPLATE: &str = "payment:<id>";

fn payment() -> Result<coord::Key, Error> {
    let id = SECRET;
    key!("payment:<id>")
}

/// A body that fails, one that runs, a call that is refused meanwhile, a replay and a mismatch.
async fn all_outcomes(coord: &Coordinator) {
    let call = || coord.idempotency(payment());
    let failed = call().run(async || Err::<u64, _>(Error::ShutDown)).await;
    assert!(failed.is_err());
    let executed = call().fingerprint(1).run(async || {
        let elsewhere = coord.clone();
        let refused = tokio::spawn(async move {
            let call = elsewhere.idempotency(payment()).reject();
            call.run(async || Ok::<u64, Error>(8)).await
        });
        assert!(matches!(
            refused.await.unwrap(),
            Err(Error::InProgress { .. })
        ));
        Ok::<u64, Error>(7)
    });
    assert_eq!(executed.await.unwrap(), 7);
    assert_eq!(call().run(async || Ok::<u64, Error>(8)).await.unwrap(), 7);
    let mismatch = call().fingerprint(2).run(async || Ok::<u64, Error>(8));
    assert!(mismatch.await.is_err());
}

/// The series of the template, after a look at the labels of all.
fn series(snapshot: Snapshot) -> Vec<(String, DebugValue)> {
    let mut found = Vec::new();
    for (key, _, _, value) in snapshot.into_vec() {
        let (name, labels) = key.key().clone().into_parts();
        let labels: Vec<_> = labels
            .iter()
            .map(|label| (label.key().to_owned(), label.value().to_owned()))
            .collect();
        assert!(!format!("{labels:?}").contains(SECRET), "{labels:?}");
        if labels == [("template".to_owned(), TEMPLATE.to_owned())] {
            found.push((name.as_str().to_owned(), value));
        }
    }
    found
}

pub(crate) async fn counters_and_histograms_tell_every_outcome(fleet: &Fleet) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = set_default_local_recorder(&recorder);
    let coord = fleet.process().await;
    all_outcomes(&coord).await;

    let mut counts = Vec::new();
    for (name, value) in series(snapshotter.snapshot()) {
        match value {
            DebugValue::Counter(count) => counts.push((name, count)),
            DebugValue::Histogram(values) => {
                assert!(values[0].into_inner() < 20.0, "seconds");
                counts.push((name, values.len() as u64));
            }
            DebugValue::Gauge(_) => panic!("{name} is not documented"),
        }
    }
    counts.sort_unstable();
    let counts: Vec<_> = counts
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    let expected = [
        ("coord_idempotency_executed_total", 1),
        ("coord_idempotency_execution_duration_seconds", 1),
        ("coord_idempotency_failed_total", 3),
        ("coord_idempotency_hit_total", 1),
        ("coord_idempotency_miss_total", 2),
    ];
    assert_eq!(counts, expected);
}

pub(crate) async fn a_call_is_a_span_with_template_and_outcome(fleet: &Fleet) {
    let recording = Recording::start();
    let coord = fleet.process().await;
    let request = Context::with_correlation_id("request-7");
    request.scope(Box::pin(all_outcomes(&coord))).await;

    let spans = recording.spans("coord.idempotency");
    assert_eq!(spans.len(), 5);
    for span in &spans {
        assert_eq!(span.field("template"), Some(TEMPLATE));
    }
    let mut outcomes: Vec<_> = spans
        .iter()
        .map(|span| span.field("outcome").unwrap_or("none"))
        .collect();
    outcomes.sort_unstable();
    assert_eq!(
        outcomes,
        ["executed", "failed", "in_progress", "mismatch", "replayed"]
    );
    let correlated = spans
        .iter()
        .filter(|span| span.field("correlation_id") == Some("request-7"));
    assert_eq!(correlated.count(), 4, "all but that of the spawned task");
}

pub(crate) async fn a_replay_names_who_executed(fleet: &Fleet) {
    let coord = fleet.process().await;
    let call = || {
        coord
            .idempotency(payment())
            .run(async || Ok::<u64, Error>(7))
    };
    let recording = Recording::start();
    Context::with_correlation_id("first")
        .scope(call())
        .await
        .unwrap();
    Context::with_correlation_id("second")
        .scope(call())
        .await
        .unwrap();
    let [executed, replayed] = &recording.spans("coord.idempotency")[..] else {
        panic!("two spans");
    };
    assert_eq!(executed.field("executed_by"), None);
    assert_eq!(replayed.field("executed_by"), Some("first"));
    assert_eq!(replayed.field("correlation_id"), Some("second"));
}

pub(crate) async fn no_rendered_key_gets_into_spans_and_events(fleet: &Fleet) {
    let recording = Recording::start();
    let coord = fleet.process().await;
    all_outcomes(&coord).await;
    let said = recording.everything();
    assert!(said.contains("idempotent call executed"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
}

/// Who calls without a context runs its body in a new one.
pub(crate) async fn a_replay_finds_who_executed_without_a_context(fleet: &Fleet) {
    let coord = fleet.process().await;
    let recording = Recording::start();
    for _ in 0..2 {
        let call = coord.idempotency(payment());
        call.run(async || Ok::<u64, Error>(7)).await.unwrap();
    }
    let [executed, replayed] = &recording.spans("coord.idempotency")[..] else {
        panic!("two spans");
    };
    assert!(executed.field("correlation_id").is_some());
    assert_eq!(
        executed.field("correlation_id"),
        replayed.field("executed_by")
    );
}
