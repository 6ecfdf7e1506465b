//! Servers that come back with nothing, or forget.

use coord_tests::RedisServer;
use coord_tests::redis::Persistence;

use crate::setup::{LONG, SHORT, acquire, coordinator, let_pass, line, lock_worker, token};

#[tokio::test]
async fn a_server_that_restarts_empty_costs_the_holder_its_lease() {
    let server = RedisServer::start().await;
    let (one, other) = (
        coordinator(&server.url()).await,
        coordinator(&server.url()).await,
    );
    let lease = one.lock("a").ttl(SHORT).acquire().await.unwrap();
    server.restart_empty().await;
    lease.lost().await;
    assert!(!lease.is_held());
    let next = other.lock("a").acquire().await.unwrap();
    assert!(token(&next) > token(&lease));
    assert!(lease.release().await.is_err());
    assert!(next.is_held());
}

#[tokio::test]
async fn a_body_is_dropped_when_the_server_has_lost_its_lease() {
    let server = RedisServer::start().await;
    let mut worker = lock_worker(&server.url(), SHORT).await;
    crate::setup::run(&mut worker, "a").await;
    server.restart_empty().await;
    worker.expect_line("dropped").await;
    worker.expect_line("lost").await;
}

/// Neither a process that knows earlier tokens nor one that knows none gets a smaller one.
#[tokio::test]
async fn tokens_grow_across_restarts_that_lose_everything() {
    let server = RedisServer::start().await;
    let old = coordinator(&server.url()).await;
    let mut last = token(&old.lock("a").acquire().await.unwrap());
    for round in 0..3 {
        server.restart_empty().await;
        let new = coordinator(&server.url()).await;
        let mut order = [&old, &new];
        if round % 2 == 1 {
            order.reverse();
        }
        for coord in order {
            let lease = coord.lock("a").acquire().await.unwrap();
            assert!(token(&lease) > last, "round {round}");
            last = token(&lease);
            lease.release().await.unwrap();
        }
    }
}

#[tokio::test]
async fn tokens_grow_across_flushes() {
    let server = RedisServer::start().await;
    let old = coordinator(&server.url()).await;
    let mut last = 0;
    for round in 0..4 {
        server.cli(&["FLUSHALL"]).await;
        let new = coordinator(&server.url()).await;
        let mut order = [&old, &new];
        if round % 2 == 1 {
            order.reverse();
        }
        for coord in order {
            let lease = coord.lock("a").acquire().await.unwrap();
            assert!(token(&lease) > last, "round {round}");
            last = token(&lease);
            lease.release().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_holder_learns_of_a_flush_and_a_waiter_comes_in() {
    let server = RedisServer::start().await;
    let (one, other) = (
        coordinator(&server.url()).await,
        coordinator(&server.url()).await,
    );
    let lease = one.lock("a").ttl(SHORT).acquire().await.unwrap();
    let waiter = tokio::spawn({
        let other = other.clone();
        async move { other.lock("a").ttl(SHORT).acquire().await }
    });
    crate::setup::until_line(&other, "a", 1, 1).await;
    server.cli(&["FLUSHALL"]).await;
    lease.lost().await;
    let next = waiter.await.unwrap().unwrap();
    assert!(token(&next) > token(&lease));
    next.release().await.unwrap();
}

#[tokio::test]
async fn scripts_that_the_server_forgets_are_given_to_it_again() {
    let server = RedisServer::start().await;
    let coord = coordinator(&server.url()).await;
    let lease = coord.lock("a").ttl(SHORT).acquire().await.unwrap();
    server.cli(&["SCRIPT", "FLUSH"]).await;
    let_pass(&coordinator(&server.url()).await, SHORT * 2).await;
    server.cli(&["SCRIPT", "FLUSH"]).await;
    lease.release().await.unwrap();
    server.cli(&["SCRIPT", "FLUSH"]).await;
    let again = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    assert_eq!(line(&coord, "a").await[0].token, again.token());
}

/// Waits through the restart, and comes in behind nobody.
#[tokio::test]
async fn a_waiter_survives_a_restart() {
    let server = RedisServer::start().await;
    let (one, other) = (
        coordinator(&server.url()).await,
        coordinator(&server.url()).await,
    );
    let lease = one.lock("a").ttl(SHORT).acquire().await.unwrap();
    let waiter = tokio::spawn({
        let other = other.clone();
        async move { other.lock("a").ttl(SHORT).acquire().await }
    });
    crate::setup::until_line(&other, "a", 1, 1).await;
    server.restart_empty().await;
    let next = waiter.await.unwrap().unwrap();
    assert!(token(&next) > token(&lease));
}

#[tokio::test]
async fn a_lease_survives_a_restart_that_keeps_the_data() {
    let server = RedisServer::builder()
        .persistence(Persistence::Log)
        .start()
        .await;
    let mut worker = lock_worker(&server.url(), LONG).await;
    let earlier = acquire(&mut worker, "a").await;
    server.kill();
    server.restart().await;
    let coord = coordinator(&server.url()).await;
    assert!(coord.lock("a").try_acquire().await.unwrap().is_none());
    worker.send_line("release");
    worker.expect_line("released").await;
    let next = coord.lock("a").acquire().await.unwrap();
    assert!(token(&next) > earlier);
}

#[tokio::test]
async fn a_server_that_is_gone_for_a_moment_costs_nothing() {
    let server = RedisServer::builder()
        .persistence(Persistence::Log)
        .start()
        .await;
    let coord = coordinator(&server.url()).await;
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    server.kill();
    let release = tokio::spawn(lease.release());
    server.restart().await;
    release.await.unwrap().unwrap();
    assert_eq!(line(&coord, "a").await, []);
}
