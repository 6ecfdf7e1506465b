//! What locks, and records that go together, cost in requests.

use std::time::Instant;

use coord::store::{Put, PutRequest};
use coord_tests::{Proxy, RedisServer};
use tokio::task::JoinSet;

use crate::setup::{LONG, coordinator, until_line};

#[tokio::test]
async fn uncontended_it_is_one_round_trip_to_acquire_and_one_to_release() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = coordinator(&proxy.url()).await;
    for key in ["a", "a", "b"] {
        proxy.reset_counts();
        let lease = coord.lock(key).acquire().await.unwrap();
        assert_eq!((proxy.requests(), proxy.round_trips()), (1, 1));
        lease.release().await.unwrap();
        assert_eq!((proxy.requests(), proxy.round_trips()), (2, 2));
    }
}

#[tokio::test]
async fn an_attempt_is_one_round_trip_whether_or_not_it_gets_the_lock() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = coordinator(&proxy.url()).await;
    let lease = coord.lock("a").try_acquire().await.unwrap();
    proxy.reset_counts();
    assert!(coord.lock("a").try_acquire().await.unwrap().is_none());
    assert_eq!((proxy.requests(), proxy.round_trips()), (1, 1));
    drop(lease);
}

/// No answer comes, and all of them are in the store.
#[tokio::test]
async fn several_free_keys_are_asked_for_at_once() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    proxy.reset_counts();
    proxy.swallow_replies(true);
    let call = tokio::spawn(async move {
        let lock = coord.lock_all(["a", "b", "c"]).ttl(LONG);
        lock.acquire().await
    });
    for key in ["a", "b", "c"] {
        until_line(&direct, key, 1, 0).await;
    }
    assert!(proxy.requests() <= 3, "{:?}", proxy.requests_by_name());
    proxy.swallow_replies(false);
    call.await.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test]
async fn two_records_one_after_the_other_are_stored_in_one_round_trip() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = coordinator(&proxy.url()).await;
    let (first, second) = (PutRequest::new("a", ""), PutRequest::new("b", ""));
    proxy.reset_counts();
    let put = coord.store().put_after(&first, &second).await.unwrap();
    assert!(matches!(put, Put::Stored(_)));
    assert_eq!((proxy.requests(), proxy.round_trips()), (1, 1));
}

#[tokio::test]
async fn a_body_costs_no_more_than_its_lock() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = coordinator(&proxy.url()).await;
    proxy.reset_counts();
    coord
        .lock("a")
        .run(async |_| Ok::<_, coord::Error>(()))
        .await
        .unwrap();
    assert_eq!((proxy.requests(), proxy.round_trips()), (2, 2));
}

/// To enter, to confirm the hand-over, to give back; and one to spare for heartbeats.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contended_it_is_at_most_four_requests_for_each_acquisition() {
    const TASKS: u64 = 8;
    const TURNS: u64 = 40;
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let mut processes = Vec::new();
    for _ in 0..4 {
        processes.push(coordinator(&proxy.url()).await);
    }
    proxy.reset_counts();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for coord in &processes {
        for _ in 0..TASKS {
            let coord = coord.clone();
            tasks.spawn(async move {
                for _ in 0..TURNS {
                    let lease = coord.lock("a").ttl(LONG).acquire().await.expect("a lock");
                    lease.release().await.expect("a held lock");
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let acquisitions = 4 * TASKS * TURNS;
    // Each of those in line says every second or two that it is alive.
    let heartbeats = (begun.elapsed().as_secs() + 1) * 4 * TASKS;
    let requests = proxy.requests();
    assert!(
        requests <= 4 * acquisitions + heartbeats,
        "{requests} requests for {acquisitions} acquisitions: {:?}",
        proxy.requests_by_name()
    );
    // Each process looks now and then whether there is something to sweep.
    let looks = proxy.requests_of("ZRANDMEMBER");
    assert_eq!(
        proxy.requests_of("EVALSHA") + looks,
        requests,
        "nothing but scripts"
    );
}

/// Others are busy meanwhile, so that there is time in which it could ask.
#[tokio::test]
async fn a_waiter_does_not_ask_again_and_again() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (waiter, other) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    let holder = other.lock("a").ttl(LONG).acquire().await.unwrap();
    let begun = Instant::now();
    let waits = tokio::spawn(async move { waiter.lock("a").ttl(LONG).acquire().await });
    until_line(&other, "a", 1, 1).await;
    proxy.reset_counts();
    for _ in 0..1000 {
        drop(other.lock("b").acquire().await.unwrap().release().await);
    }
    let heartbeats = begun.elapsed().as_secs() + 1;
    assert!(
        proxy.requests() <= heartbeats,
        "{:?}",
        proxy.requests_by_name()
    );

    // The hand-over itself asks nothing; the new holder then makes its lease last.
    proxy.reset_counts();
    holder.release().await.unwrap();
    waits.await.unwrap().unwrap().release().await.unwrap();
    assert!(proxy.requests() <= 3, "{:?}", proxy.requests_by_name());
}

/// The holder's lease ends soon, again and again, and is renewed each time.
#[tokio::test]
async fn a_waiter_behind_a_short_lease_asks_no_more_often_than_it_could_end() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (waiter, other) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    let short = std::time::Duration::from_millis(200);
    let holder = other.lock("a").ttl(short).acquire().await.unwrap();
    let waits = tokio::spawn(async move { waiter.lock("a").ttl(LONG).acquire().await });
    until_line(&other, "a", 1, 1).await;
    proxy.reset_counts();
    let begun = Instant::now();
    crate::setup::let_pass(&other, short * 6).await;
    // The lease was renewed a third before it could end, so a look finds two thirds of it left, or more.
    let looks = u64::try_from(begun.elapsed().as_millis() / 100).unwrap() + 2;
    assert!(
        proxy.requests() <= looks,
        "{:?} but {looks} looks",
        proxy.requests_by_name()
    );
    holder.release().await.unwrap();
    waits.await.unwrap().unwrap().release().await.unwrap();
}
