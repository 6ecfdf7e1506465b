//! What idempotent calls cost in round trips.

use coord::store::RedisStore;
use coord::{Coordinator, CoordinatorBuilder, Error, Outcome};
use coord_tests::{Proxy, RedisServer};

use crate::records::{KEY, pays, stands_in_its_body};

async fn builder(url: &str) -> CoordinatorBuilder {
    Coordinator::builder().store(RedisStore::connect(url).await.expect("a server"))
}

fn costs(proxy: &Proxy) -> (u64, u64) {
    (proxy.requests(), proxy.round_trips())
}

#[tokio::test]
async fn a_first_run_is_two_round_trips_and_a_replay_is_one() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = builder(&proxy.url()).await.build();
    for key in ["a", "b"] {
        proxy.reset_counts();
        let call = || coord.idempotency(key).outcome(async || Ok::<u64, Error>(7));
        assert_eq!(call().await.unwrap(), Outcome::Executed(7));
        assert_eq!(costs(&proxy), (2, 2));
        assert_eq!(call().await.unwrap(), Outcome::Replayed(7));
        assert_eq!(costs(&proxy), (3, 3));
    }
}

#[tokio::test]
async fn a_replay_from_the_cache_is_no_round_trip() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = builder(&proxy.url()).await.idempotency_cache(10).build();
    pays(&coord, 7).await.unwrap();
    proxy.reset_counts();
    assert_eq!(pays(&coord, 8).await.unwrap(), Outcome::Replayed(7));
    assert_eq!(costs(&proxy), (0, 0));
}

#[tokio::test]
async fn a_body_that_fails_costs_its_begin_and_its_release() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = builder(&proxy.url()).await.build();
    proxy.reset_counts();
    let failed = coord
        .idempotency(KEY)
        .run(async || Err::<u64, _>(Error::ShutDown));
    failed.await.unwrap_err();
    assert_eq!(costs(&proxy), (2, 2));
}

#[tokio::test]
async fn one_who_does_not_wait_asks_once() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (one, other) = (
        builder(&server.url()).await.build(),
        builder(&proxy.url()).await.build(),
    );
    let (door, first) = stands_in_its_body(one.idempotency(KEY), 7).await;
    proxy.reset_counts();
    let refused = other.idempotency(KEY).reject();
    let refused = refused.run(async || Ok::<u64, Error>(8)).await;
    assert!(
        matches!(refused, Err(Error::InProgress { .. })),
        "{refused:?}"
    );
    assert_eq!(costs(&proxy), (1, 1));
    door.open();
    first.await.unwrap().unwrap();
}

/// To ask, to subscribe and look again at once, and to look when it is woken: whoever subscribes has to look again,
/// since the result may have come in between.
#[tokio::test]
async fn a_waiter_asks_no_more_than_it_must() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (one, other) = (
        builder(&server.url()).await.build(),
        builder(&proxy.url()).await.build(),
    );
    let (door, first) = stands_in_its_body(one.idempotency(KEY), 7).await;
    proxy.reset_counts();
    let waits = tokio::spawn({
        let other = other.clone();
        async move { pays(&other, 8).await }
    });
    coord_tests::until("the waiter to look again", async || {
        (proxy.requests() == 3).then_some(())
    })
    .await;
    door.open();
    first.await.unwrap().unwrap();
    assert_eq!(waits.await.unwrap().unwrap(), Outcome::Replayed(7));
    assert_eq!(proxy.requests_of("SUBSCRIBE"), 1);
    // One less if the result came in between.
    let (requests, round_trips) = costs(&proxy);
    assert!(requests <= 4, "{requests} requests");
    assert!(round_trips <= 3, "{round_trips} round trips");
}
