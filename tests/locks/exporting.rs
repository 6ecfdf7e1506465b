//! What a page for Prometheus says.

use coord::metrics::{self, Kind};
use coord::{Coordinator, key};
use metrics_exporter_prometheus::PrometheusBuilder;

#[tokio::test]
async fn a_page_for_prometheus_has_descriptions_and_buckets() {
    let builder = metrics::with_buckets(PrometheusBuilder::new()).unwrap();
    let recorder = builder.build_recorder();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    metrics::describe();
    let coord = Coordinator::builder().build();
    let id = 1;
    // A template that no other test of this process has used.
    let lease = coord.lock(key!("exported:<id>")).acquire().await.unwrap();
    lease.release().await.unwrap();
    let page = recorder.handle().render();
    for line in [
        "# HELP coord_lock_acquired_total Locks that were got.",
        "# TYPE coord_lock_acquired_total counter",
        "# TYPE coord_lock_held_duration_seconds histogram",
        // At zero from the start, so that a rate misses nothing.
        "coord_lock_lost_total{template=\"exported:<id>\"} 0",
        "coord_lock_contention_attempts_bucket{template=\"exported:<id>\",le=\"1\"} 1",
    ] {
        assert!(page.lines().any(|one| one == line), "{line}\n{page}");
    }
}

#[test]
fn each_metric_is_named_for_what_it_is() {
    for metric in metrics::ALL {
        let name = metric.name;
        assert_eq!(
            name.ends_with("_total"),
            metric.kind == Kind::Counter,
            "{name}"
        );
        let is_time = metric.unit == ::metrics::Unit::Seconds;
        assert_eq!(name.ends_with("_seconds"), is_time, "{name}");
        assert_eq!(
            !metric.buckets.is_empty(),
            metric.kind == Kind::Histogram,
            "{name}"
        );
        assert!(metric.buckets.is_sorted(), "{name}");
        assert!(metric.description.ends_with('.'), "{name}");
    }
    let mut names: Vec<_> = metrics::ALL.iter().map(|metric| metric.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), metrics::ALL.len());
}
