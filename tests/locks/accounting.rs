//! Counters that add up: whoever asks for a lock is counted once, however that ends.

use std::collections::BTreeMap;
use std::time::Duration;

use coord::testing::Operation;
use coord::{Coordinator, Error, key};
use coord_tests::dropped_after;
use futures_util::future::join_all;
use metrics::set_default_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::fleet::Fleet;

/// How many ask, each by itself.
const CALLS: usize = 120;

/// The counters of locks, each added up over the templates of this test.
fn counters(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        let is_ours = key
            .labels()
            .any(|label| label.value().starts_with("counted:"));
        if let (true, DebugValue::Counter(count)) = (is_ours, value) {
            *counters.entry(key.name().to_owned()).or_default() += count;
        }
    }
    counters
}

/// Asks once, in one of many ways, and perhaps goes away after some polls. How many keys were asked for.
async fn ask(coord: &Coordinator, number: usize) -> u64 {
    let (one, other) = (number % 3, (number + 1) % 3);
    let lock = coord.lock(key!("counted:<one>"));
    let patience = Duration::from_millis(u64::try_from(number).unwrap() % 40);
    let polls = 1 + number % 11;
    match number % 5 {
        0 => drop(dropped_after(polls, lock.wait(patience).acquire()).await),
        1 => drop(dropped_after(polls, lock.acquire()).await),
        2 => drop(lock.try_acquire().await),
        3 => drop(lock.wait(patience).acquire().await),
        _ => {
            let both = coord.lock_all([key!("counted:<one>"), key!("counted:other:<other>")]);
            drop(dropped_after(polls, both.wait(patience).acquire()).await);
            return 2;
        }
    }
    1
}

pub(crate) async fn each_acquisition_ends_in_one_of_four_ways(fleet: &Fleet) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = set_default_local_recorder(&recorder);
    let coord = fleet.process().await;
    let asked = join_all((0..CALLS).map(|number| ask(&coord, number))).await;
    let mut asked: u64 = asked.into_iter().sum();

    // One of each end that the storm may have missed.
    let held = coord.lock(key!("counted:held")).acquire().await.unwrap();
    let lock = || coord.lock(key!("counted:held"));
    assert!(lock().try_acquire().await.unwrap().is_none());
    assert!(
        lock()
            .wait(Duration::from_millis(5))
            .acquire()
            .await
            .is_err()
    );
    let line = fleet.line("lock", "counted:held");
    tokio::select! {
        _ = lock().acquire() => panic!("it is held"),
        () = line.until(1, 1) => {}
    }
    drop(held);
    asked += 4;

    let counters = counters(&snapshotter);
    let of = |name: &str| {
        let counted = counters.get(&format!("coord_lock_{name}_total"));
        counted.copied().unwrap_or_default()
    };
    let ends = ["acquired", "failed", "timeout", "cancelled"];
    assert_eq!(ends.into_iter().map(of).sum::<u64>(), asked, "{counters:?}");
    assert!(ends.into_iter().all(|end| of(end) > 0), "{counters:?}");
    assert_eq!(of("released") + of("lost"), of("acquired"), "{counters:?}");
}

/// Neither of a lease nor of a body's: it is made in the background.
#[tokio::test]
async fn a_release_that_is_not_waited_for_is_no_loss() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = set_default_local_recorder(&recorder);
    let fleet = Fleet::on_memory();
    let (store, coord) = fleet.faulty().await;
    let lease = coord.lock(key!("counted:lease")).acquire().await.unwrap();
    let held = store.hold(Operation::Release);
    tokio::select! {
        _ = lease.release() => panic!("it is held up"),
        () = held.reached() => held.release(),
    }
    let held = store.hold(Operation::Release);
    let call = coord.lock(key!("counted:body"));
    tokio::select! {
        _ = call.run(async |_| Ok::<_, Error>(())) => panic!("it is held up"),
        () = held.reached() => held.release(),
    }
    for key in ["counted:lease", "counted:body"] {
        fleet.line("lock", key).until(0, 0).await;
    }
    let counters = counters(&snapshotter);
    let of = |name: &str| counters.get(name).copied().unwrap_or_default();
    assert_eq!(of("coord_lock_released_total"), 2, "{counters:?}");
    assert_eq!(of("coord_lock_lost_total"), 0, "{counters:?}");
}
