//! The time that operations of the store take, as a page for Prometheus shows it.

use std::time::Duration;

use coord::store::MemoryStore;
use coord::testing::{Fault, FaultStore, Operation};
use coord::{Coordinator, key, metrics};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

fn recorder() -> PrometheusRecorder {
    let builder = metrics::with_buckets(PrometheusBuilder::new()).unwrap();
    builder.build_recorder()
}

/// How many operations ended so. Other tests of this process may have the same series, but not this recorder.
fn count(recorder: &PrometheusRecorder, operation: &str, outcome: &str) -> Option<u64> {
    let page = recorder.handle().render();
    let labels = [
        "store=\"memory\"".to_owned(),
        format!("operation=\"{operation}\""),
        format!("outcome=\"{outcome}\""),
    ];
    let line = page.lines().find(|line| {
        line.starts_with("coord_store_operation_duration_seconds_count{")
            && labels.iter().all(|label| line.contains(label))
    })?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[tokio::test]
async fn each_operation_is_timed_by_kind_and_outcome() {
    let recorder = recorder();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    let store = FaultStore::new(MemoryStore::new());
    let coord = Coordinator::builder().store(store.clone()).build();
    let lease = coord.lock("a").acquire().await.unwrap();
    lease.release().await.unwrap();
    assert_eq!(count(&recorder, "acquire", "ok"), Some(1));
    assert_eq!(count(&recorder, "release", "ok"), Some(1));

    // The lost reply is asked for again, and the second answer counts as well.
    store.fail_next(Operation::Acquire, Fault::AfterApply);
    let lease = coord.lock("a").acquire().await.unwrap();
    store.fail_next(Operation::Release, Fault::BeforeSend);
    lease.release().await.unwrap();
    assert_eq!(count(&recorder, "acquire", "unknown"), Some(1));
    assert_eq!(count(&recorder, "acquire", "ok"), Some(2));
    assert_eq!(count(&recorder, "release", "failed"), Some(1));
    assert_eq!(count(&recorder, "release", "ok"), Some(2));

    let held = store.hold(Operation::Acquire);
    tokio::select! {
        _ = coord.lock("a").acquire() => panic!("it is held back"),
        () = held.reached() => {}
    }
    held.release();
    assert_eq!(count(&recorder, "acquire", "cancelled"), Some(1));
}

#[tokio::test]
async fn a_recorder_that_is_installed_later_is_told_from_then_on() {
    let coord = Coordinator::builder().build();
    coord
        .lock("a")
        .acquire()
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
    let recorder = recorder();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    coord
        .lock("a")
        .acquire()
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
    assert_eq!(count(&recorder, "acquire", "ok"), Some(1));
}

#[tokio::test]
async fn counters_are_at_zero_in_a_recorder_that_is_installed_later_too() {
    let coord = Coordinator::builder().build();
    let id = 1;
    let lock = || coord.lock(key!("later:<id>"));
    drop(lock().acquire().await.unwrap());
    let recorder = recorder();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    drop(lock().acquire().await.unwrap());
    let page = recorder.handle().render();
    for name in ["lost", "timeout", "failed", "cancelled", "order_cycles"] {
        let line = format!("coord_lock_{name}_total{{template=\"later:<id>\"}} 0");
        assert!(page.lines().any(|one| one == line), "{line}\n{page}");
    }
}

#[tokio::test]
async fn the_store_of_the_coordinator_is_timed_for_others_too() {
    let recorder = recorder();
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    let coord = Coordinator::builder().build();
    let put = coord::store::PutRequest::new("here", "it is");
    coord.store().put_record(&put).await.unwrap();
    assert!(coord.store().get_record("here").await.unwrap().is_some());
    assert_eq!(count(&recorder, "put", "ok"), Some(1));
    assert_eq!(count(&recorder, "get", "ok"), Some(1));
    assert_eq!(count(&recorder, "delete", "ok"), None);
    // A wait for a change is no operation, and is not timed.
    let watched = coord::store::Watched::Record("here".to_owned());
    let mut watch = coord.store().watch(&watched).await.unwrap();
    let _ = tokio::time::timeout(Duration::from_millis(1), watch.changed()).await;
    assert_eq!(count(&recorder, "watch", "ok"), Some(1));
}
