//! Finished results that a process keeps.

use coord::testing::FaultStore;
use coord::{Coordinator, Error, Outcome};
use coord_tests::fleet::{Fleet, SHORT};

use crate::records::{KEY, pays};

/// A process that keeps so many results, and what it asks of its store.
async fn caching(fleet: &Fleet, results: usize) -> (FaultStore, Coordinator) {
    let store = FaultStore::new(fleet.own_store().await);
    let builder = fleet.builder().await.store(store.clone());
    (store, builder.idempotency_cache(results).build())
}

async fn outcome(coord: &Coordinator, key: &str, value: u64) -> Outcome<u64> {
    let call = coord
        .idempotency(key)
        .outcome(async || Ok::<_, Error>(value));
    call.await.unwrap()
}

pub(crate) async fn a_cached_replay_asks_nobody(fleet: &Fleet) {
    let other = fleet.process().await;
    let (store, coord) = caching(fleet, 10).await;
    // Its own result, and one of another process that it has seen once.
    assert_eq!(outcome(&coord, "own", 7).await, Outcome::Executed(7));
    assert_eq!(outcome(&other, "seen", 8).await, Outcome::Executed(8));
    assert_eq!(outcome(&coord, "seen", 0).await, Outcome::Replayed(8));
    store.forget_operations();
    for (key, value) in [("own", 7), ("seen", 8), ("own", 7)] {
        assert_eq!(outcome(&coord, key, 0).await, Outcome::Replayed(value));
    }
    assert_eq!(store.operations(), []);
}

pub(crate) async fn the_cache_compares_fingerprints(fleet: &Fleet) {
    let (_, coord) = caching(fleet, 10).await;
    let call = |amount: u64| coord.idempotency(KEY).fingerprint(amount);
    call(1).run(async || Ok::<u64, Error>(7)).await.unwrap();
    assert_eq!(call(1).run(async || Ok::<u64, Error>(8)).await.unwrap(), 7);
    let other = call(2).run(async || Ok::<u64, Error>(8)).await;
    assert!(
        matches!(other, Err(Error::FingerprintMismatch { .. })),
        "{other:?}"
    );
}

pub(crate) async fn the_cache_forgets_with_the_ttl(fleet: &Fleet) {
    let (_, coord) = caching(fleet, 10).await;
    let pay = async |value: u64| {
        let call = coord.idempotency(KEY).ttl(SHORT);
        call.outcome(async || Ok::<_, Error>(value)).await.unwrap()
    };
    assert_eq!(pay(7).await, Outcome::Executed(7));
    assert_eq!(pay(8).await, Outcome::Replayed(7));
    fleet.let_pass(SHORT).await;
    assert_eq!(pay(9).await, Outcome::Executed(9));
    assert_eq!(pay(10).await, Outcome::Replayed(9));
}

pub(crate) async fn the_cache_is_bounded(fleet: &Fleet) {
    let (store, coord) = caching(fleet, 3).await;
    let keys = ["a", "b", "c", "d"];
    for key in keys {
        outcome(&coord, key, 7).await;
    }
    store.forget_operations();
    for key in &keys[1..] {
        assert!(outcome(&coord, key, 0).await.is_replayed());
    }
    assert_eq!(store.operations(), []);
    assert!(outcome(&coord, "a", 0).await.is_replayed());
    assert_eq!(store.operations().len(), 1, "the first made room");
}

pub(crate) async fn without_a_size_nothing_is_cached(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    pays(&coord, 7).await.unwrap();
    store.forget_operations();
    pays(&coord, 7).await.unwrap();
    assert_eq!(store.operations().len(), 1);
}
