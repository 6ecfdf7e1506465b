//! Very many leases of one process.

use std::time::Duration;

use coord_tests::{Proxy, RedisServer};
use futures_util::{StreamExt as _, stream};

use crate::setup::{coordinator, let_pass};

const LEASES: usize = 10_000;

/// They are renewed in batches, each of them several times.
#[tokio::test]
async fn ten_thousand_leases_of_one_process_are_kept() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = coordinator(&proxy.url()).await;
    // Enough time to renew them all on a machine that is busy with other tests.
    let ttl = Duration::from_secs(6);
    let leases: Vec<_> = stream::iter(0..LEASES)
        .map(|number| {
            let coord = &coord;
            async move {
                coord
                    .lock(format!("a{number}"))
                    .ttl(ttl)
                    .acquire()
                    .await
                    .expect("a free lock")
            }
        })
        .buffer_unordered(500)
        .collect()
        .await;
    proxy.reset_counts();
    let other = coordinator(&server.url()).await;
    let_pass(&other, ttl + ttl / 4).await;

    let (requests, round_trips) = (proxy.requests(), proxy.round_trips());
    assert!(requests < LEASES as u64 / 10, "{requests} requests");
    assert!(
        round_trips < LEASES as u64 / 10,
        "{round_trips} round trips"
    );

    let held = leases.iter().filter(|lease| lease.is_held()).count();
    assert_eq!(held, LEASES);
    for number in (0..LEASES).step_by(997) {
        let attempt = other
            .lock(format!("a{number}"))
            .try_acquire()
            .await
            .unwrap();
        assert!(attempt.is_none(), "the lock {number} is free");
    }
    let released = stream::iter(leases)
        .map(coord::Lease::release)
        .buffer_unordered(500);
    let released: Vec<_> = released.collect().await;
    assert!(released.iter().all(Result::is_ok));
    let keys = server
        .cli(&["EVAL", "return #redis.call('KEYS', '*:line')", "0"])
        .await;
    assert_eq!(keys.int(), 0);
}

/// The background is not held up by one server call for each.
#[tokio::test]
async fn a_shutdown_releases_very_many() {
    let server = RedisServer::start().await;
    let coord = coordinator(&server.url()).await;
    let leases: Vec<_> = stream::iter(0..2_000)
        .map(|number| {
            let coord = &coord;
            async move {
                coord
                    .lock(format!("a{number}"))
                    .acquire()
                    .await
                    .expect("a free lock")
            }
        })
        .buffer_unordered(500)
        .collect()
        .await;
    coord.shutdown().await;
    assert!(leases.iter().all(|lease| !lease.is_held()));
    let other = coordinator(&server.url()).await;
    for number in (0..2_000).step_by(97) {
        assert!(
            other
                .lock(format!("a{number}"))
                .try_acquire()
                .await
                .unwrap()
                .is_some()
        );
    }
}
