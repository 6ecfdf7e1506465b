//! What makes no sense is refused before anything is sent, by an error that says what to do.

use std::time::Duration;

use coord::testing::Operation;
use coord::{Error, key};

use crate::fleet::Fleet;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The option that an error blames, and what it says.
fn blamed<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (&'static str, String) {
    match outcome {
        Err(Error::InvalidOption { option, problem }) => (option, problem.into_owned()),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn durations_without_sense_are_refused(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    let lock = || coord.lock("a");
    let (option, problem) = blamed(lock().ttl(Duration::ZERO).acquire().await);
    assert_eq!(option, "ttl");
    assert!(problem.contains("give the time"), "{problem}");
    for ttl in [YEAR * 2, Duration::MAX] {
        let (option, problem) = blamed(lock().ttl(ttl).try_acquire().await);
        assert_eq!(option, "ttl");
        assert!(problem.contains("is the unit right?"), "{problem}");
    }
    assert_eq!(
        blamed(lock().at_least(YEAR * 2).acquire().await).0,
        "at_least"
    );
    assert_eq!(
        blamed(coord.election("a").ttl(Duration::ZERO).campaign().await).0,
        "ttl"
    );
    assert_eq!(store.count(Operation::Acquire), 0);
}

pub(crate) async fn the_defaults_of_a_coordinator_are_checked_too(fleet: &Fleet) {
    let coord = coord::Coordinator::builder()
        .lock_ttl(Duration::ZERO)
        .build();
    assert_eq!(blamed(coord.lock("a").acquire().await).0, "ttl");
    let lease = coord.lock("a").ttl(Duration::from_secs(1)).acquire().await;
    assert!(lease.is_ok());
    drop(fleet.process().await);
}

pub(crate) async fn any_wait_is_accepted(fleet: &Fleet) {
    let coord = fleet.process().await;
    for wait in [Duration::from_nanos(1), YEAR, Duration::MAX] {
        coord
            .lock("a")
            .wait(wait)
            .acquire()
            .await
            .unwrap()
            .release()
            .await
            .unwrap();
    }
}

pub(crate) async fn the_smallest_and_largest_ttl_are_accepted(fleet: &Fleet) {
    let coord = fleet.process().await;
    let lease = coord.lock("a").ttl(YEAR).acquire().await.unwrap();
    lease.release().await.unwrap();
    let lease = coord
        .lock("a")
        .ttl(Duration::from_nanos(1))
        .acquire()
        .await
        .unwrap();
    lease.lost().await;
}

pub(crate) async fn keys_that_cannot_be_used_are_refused(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    let long = "k".repeat(513);
    for key in ["", &long] {
        let refused = [
            coord.lock(key).acquire().await.map(drop),
            coord.lock(key).try_acquire().await.map(drop),
            coord.rw_lock(key).read().acquire().await.map(drop),
            coord.semaphore(key, 2).acquire().await.map(drop),
            coord.election(key).campaign().await.map(drop),
            coord.election(key).leader().await.map(drop),
            coord.election(key).observe().changed().await.map(drop),
        ];
        for outcome in refused {
            let Err(error @ Error::InvalidKey { .. }) = outcome else {
                panic!("{outcome:?}");
            };
            let expected = if key.is_empty() {
                "it is empty"
            } else {
                "the limit is 512; use an id"
            };
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.to_string().contains("kkkkk"), "{error}");
        }
    }
    assert_eq!(store.operations(), []);
}

pub(crate) async fn an_empty_part_of_a_key_is_refused(fleet: &Fleet) {
    let coord = fleet.process().await;
    let (tenant, sku) = ("", "x");
    let refused = coord.lock(key!("tenant:<tenant>:<sku>")).acquire().await;
    let Err(error @ Error::InvalidKey { template, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(template, "tenant:<tenant>:<sku>");
    assert!(error.to_string().contains("tenant"), "{error}");
}
