//! What locks tell metrics and tracing, with templates in the place of keys.

use std::time::Duration;

use coord::{Context, Coordinator, Error, key};
use metrics::set_default_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshot};

use crate::fleet::{Fleet, SHORT};
use crate::recording::Recording;

/// What is in every rendered key here and in no template.
const SECRET: &str = "customer-4711";
const TEMPLATE: &str = "order:<id>";

fn order() -> Result<coord::Key, Error> {
    let id = SECRET;
    key!("order:<id>")
}

/// A lock that is got, one that is refused, one that is waited for in vain, one that is waited for and
/// got, one that is lost, and one that fails.
async fn all_outcomes(fleet: &Fleet, coord: &Coordinator) {
    let lease = coord.lock(order()).acquire().await.unwrap();
    assert!(coord.lock(order()).try_acquire().await.unwrap().is_none());
    let wait = Duration::from_millis(20);
    let in_vain = coord.lock(order()).wait(wait).acquire().await;
    assert!(matches!(in_vain, Err(Error::LockTimeout { .. })));
    let line = fleet.line("lock", &format!("order:{SECRET}"));
    let hands_over = async {
        line.until(1, 1).await;
        lease.release().await
    };
    let (next, released) = tokio::join!(coord.lock(order()).acquire(), hands_over);
    released.unwrap();
    drop(next.unwrap());

    let lock = coord.lock(order()).ttl(SHORT).renew(false);
    let lost = lock.run(async |lease| {
        lease.lost().await;
        Ok::<_, Error>(())
    });
    assert!(matches!(lost.await, Err(Error::LockLost { .. })));
    assert!(
        coord
            .lock(order())
            .ttl(Duration::ZERO)
            .acquire()
            .await
            .is_err()
    );
}

fn value(snapshot: Vec<(String, DebugValue)>, name: &str) -> DebugValue {
    let found = snapshot.into_iter().find(|(found, _)| found == name);
    found.unwrap_or_else(|| panic!("{name} is not told")).1
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
        assert!(
            !format!("{labels:?}").contains(SECRET),
            "a rendered key in a label: {labels:?}"
        );
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
    all_outcomes(fleet, &coord).await;

    let mut told = series(snapshotter.snapshot());
    // Those at zero are there or not, as other tests of this process had the template before.
    told.retain(|(_, value)| *value != DebugValue::Counter(0));
    let expected = [
        ("coord_lock_acquired_total", 3),
        ("coord_lock_failed_total", 2),
        ("coord_lock_released_total", 2),
        ("coord_lock_timeout_total", 1),
        ("coord_lock_lost_total", 1),
    ];
    let mut samples = Vec::new();
    for (name, value) in &told {
        match value {
            DebugValue::Counter(count) => {
                let wanted = expected.iter().find(|(expected, _)| expected == name);
                let (_, wanted) = wanted.unwrap_or_else(|| panic!("{name} is not documented"));
                assert_eq!(count, wanted, "{name}");
            }
            DebugValue::Histogram(values) => samples.push((name.as_str(), values.len())),
            DebugValue::Gauge(_) => panic!("{name} is not documented"),
        }
    }
    samples.sort_unstable();
    let expected_samples = [
        ("coord_lock_acquisition_duration_seconds", 3),
        ("coord_lock_contention_attempts", 3),
        ("coord_lock_held_duration_seconds", 3),
    ];
    assert_eq!(samples, expected_samples);
    assert_eq!(told.len(), expected.len() + expected_samples.len());
}

pub(crate) async fn histograms_are_in_seconds(fleet: &Fleet) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = set_default_local_recorder(&recorder);
    let coord = fleet.process().await;
    let lease = coord.lock(order()).acquire().await.unwrap();
    fleet.let_pass(SHORT).await;
    lease.release().await.unwrap();
    let told = series(snapshotter.snapshot());
    let DebugValue::Histogram(held) = value(told, "coord_lock_held_duration_seconds") else {
        panic!("held is a histogram");
    };
    let held = held[0].into_inner();
    assert!((SHORT.as_secs_f64()..20.0).contains(&held), "{held}");
}

/// Who calls without a context runs its body in a new one.
pub(crate) async fn the_span_of_a_body_without_a_context_has_its_correlation_id(fleet: &Fleet) {
    let recording = Recording::start();
    let coord = fleet.process().await;
    let inside = coord.lock("a").run(async |_| {
        let context = Context::current().expect("that of the body");
        Ok::<_, Error>(context.correlation_id().to_owned())
    });
    let inside = inside.await.unwrap();
    let [span] = &recording.spans("coord.lock")[..] else {
        panic!("one span");
    };
    assert_eq!(span.field("correlation_id"), Some(&*inside));
}

pub(crate) async fn a_lock_is_a_span_with_template_outcome_wait_and_hold(fleet: &Fleet) {
    let recording = Recording::start();
    let coord = fleet.process().await;
    let request = Context::with_correlation_id("request-7");
    request.scope(Box::pin(all_outcomes(fleet, &coord))).await;

    let spans = recording.spans("coord.lock");
    assert_eq!(spans.len(), 6);
    for span in &spans {
        assert_eq!(span.field("template"), Some(TEMPLATE));
        assert_eq!(span.field("correlation_id"), Some("request-7"));
    }
    let outcomes: Vec<_> = spans
        .iter()
        .map(|span| span.field("outcome").unwrap_or("none"))
        .collect();
    let mut sorted = outcomes.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        ["busy", "failed", "lost", "released", "released", "timeout"]
    );
    for span in &spans {
        let got = matches!(span.field("outcome"), Some("released" | "lost"));
        assert_eq!(span.field("wait_seconds").is_some(), got, "{span:?}");
        assert_eq!(span.field("hold_seconds").is_some(), got, "{span:?}");
    }
}

pub(crate) async fn no_rendered_key_gets_into_spans_and_events(fleet: &Fleet) {
    let recording = Recording::start();
    let (faults, coord) = fleet.faulty().await;
    all_outcomes(fleet, &coord).await;
    faults.fail_next(
        coord::testing::Operation::Acquire,
        coord::testing::Fault::AfterApply,
    );
    drop(coord.lock(order()).acquire().await.unwrap());
    drop(coord.lock_all([order(), order()]).acquire().await.unwrap());
    drop(coord.semaphore(order(), 3).acquire().await.unwrap());
    drop(coord.election(order()).campaign().await.unwrap());
    let said = recording.everything();
    assert!(
        said.contains("lock acquired") && said.contains("asking again"),
        "{said}"
    );
    assert!(!said.contains(SECRET), "{said}");
}

pub(crate) async fn a_body_runs_inside_the_span(fleet: &Fleet) {
    let recording = Recording::start();
    let coord = fleet.process().await;
    let body = coord.lock(order()).run(async |_| {
        let inside = tracing::Span::current()
            .metadata()
            .map(tracing::Metadata::name);
        Ok::<_, Error>(inside)
    });
    assert_eq!(body.await.unwrap(), Some("coord.lock"));
    assert_eq!(recording.spans("coord.lock").len(), 1);
}

pub(crate) async fn an_acquisition_that_is_dropped_is_a_span_that_says_so(fleet: &Fleet) {
    let recording = Recording::start();
    let coord = fleet.process().await;
    let lease = coord.lock(order()).acquire().await.unwrap();
    let line = fleet.line("lock", &format!("order:{SECRET}"));
    tokio::select! {
        _ = coord.lock(order()).acquire() => panic!("it is held"),
        () = line.until(1, 1) => {}
    }
    drop(lease);
    let spans = recording.spans("coord.lock");
    let outcomes: Vec<_> = spans.iter().map(|span| span.field("outcome")).collect();
    assert_eq!(outcomes, [Some("released"), Some("cancelled")]);
}
