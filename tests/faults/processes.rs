//! Processes that die, and processes that stand still for too long.

use coord_tests::{RedisServer, until};

use crate::setup::{LONG, SHORT, acquire, coordinator, line, lock_worker, run, token, until_line};

#[tokio::test]
async fn a_killed_holder_is_followed_by_the_next() {
    let server = RedisServer::start().await;
    let coord = coordinator(&server.url()).await;
    let mut worker = lock_worker(&server.url(), SHORT).await;
    let earlier = acquire(&mut worker, "a").await;
    let next = tokio::spawn({
        let coord = coord.clone();
        async move { coord.lock("a").acquire().await }
    });
    until_line(&coord, "a", 1, 1).await;
    worker.kill();
    let lease = next.await.unwrap().unwrap();
    assert!(token(&lease) > earlier);
    assert_eq!(line(&coord, "a").await.len(), 1);
}

#[tokio::test]
async fn a_killed_holder_blocks_nobody_who_comes_later() {
    let server = RedisServer::start().await;
    let mut worker = lock_worker(&server.url(), SHORT).await;
    let earlier = acquire(&mut worker, "a").await;
    worker.kill();
    worker.until_exit().await;
    let lease = coordinator(&server.url())
        .await
        .lock("a")
        .acquire()
        .await
        .unwrap();
    assert!(token(&lease) > earlier);
}

/// When it wakes, its body is told to go on in the same moment, and must not.
#[tokio::test]
async fn a_holder_that_was_paused_for_too_long_does_not_go_on() {
    let server = RedisServer::start().await;
    let coord = coordinator(&server.url()).await;
    let mut worker = lock_worker(&server.url(), SHORT).await;
    let earlier = run(&mut worker, "a").await;
    worker.pause();
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    assert!(token(&lease) > earlier);

    worker.send_line("go on");
    worker.resume();
    assert_eq!(worker.next_line().await.as_deref(), Some("dropped"));
    assert_eq!(worker.next_line().await.as_deref(), Some("lost"));
    assert_eq!(line(&coord, "a").await.len(), 1);
    lease.release().await.unwrap();
}

#[tokio::test]
async fn the_release_of_one_that_was_paused_for_too_long_changes_nothing() {
    let server = RedisServer::start().await;
    let coord = coordinator(&server.url()).await;
    let mut worker = lock_worker(&server.url(), SHORT).await;
    let earlier = acquire(&mut worker, "a").await;
    worker.pause();
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    assert!(token(&lease) > earlier);

    worker.send_line("release");
    worker.resume();
    assert_eq!(worker.next_line().await.as_deref(), Some("lost"));
    let holder = &line(&coord, "a").await[0];
    assert!(holder.granted && holder.token == lease.token());
    lease.release().await.unwrap();
}

/// It queues again behind the one that has the lock now, with a greater token than that.
#[tokio::test]
async fn a_holder_that_was_paused_for_too_long_can_come_again() {
    let server = RedisServer::start().await;
    let coord = coordinator(&server.url()).await;
    let mut worker = lock_worker(&server.url(), SHORT).await;
    run(&mut worker, "a").await;
    worker.pause();
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    worker.resume();
    worker.expect_line("dropped").await;
    worker.expect_line("lost").await;
    worker.send_line("run a");
    until_line(&coord, "a", 1, 1).await;
    let between = token(&lease);
    lease.release().await.unwrap();
    let later: u64 = worker.expect_line("body ").await.parse().unwrap();
    assert!(later > between);
    worker.send_line("go on");
    worker.expect_line("goes on").await;
    worker.expect_line("dropped").await;
    worker.expect_line("released").await;
}

#[tokio::test]
async fn a_waiter_that_is_killed_while_first_in_line_is_skipped() {
    let server = RedisServer::start().await;
    let coord = coordinator(&server.url()).await;
    let holder = coord.lock("a").acquire().await.unwrap();
    let mut worker = lock_worker(&server.url(), SHORT).await;
    worker.send_line("acquire a");
    until_line(&coord, "a", 1, 1).await;
    let next = tokio::spawn({
        let coord = coord.clone();
        async move { coord.lock("a").acquire().await }
    });
    until_line(&coord, "a", 1, 2).await;
    worker.kill();
    worker.until_exit().await;
    holder.release().await.unwrap();
    let next = next.await.unwrap().unwrap();
    assert_eq!(line(&coord, "a").await.len(), 1);
    next.release().await.unwrap();
}

#[tokio::test]
async fn a_dead_waiter_leaves_the_line_while_the_lock_is_held() {
    let server = RedisServer::start().await;
    let coord = coordinator(&server.url()).await;
    let _holder = coord.lock("a").acquire().await.unwrap();
    let mut worker = lock_worker(&server.url(), SHORT).await;
    worker.send_line("acquire a");
    until_line(&coord, "a", 1, 1).await;
    worker.kill();
    until_line(&coord, "a", 1, 0).await;
}

/// It was handed the lock while it stood still, and others went on after it.
#[tokio::test]
async fn a_waiter_that_is_paused_as_it_is_served_loses_its_turn_and_queues_again() {
    let server = RedisServer::start().await;
    let coord = coordinator(&server.url()).await;
    let holder = coord.lock("a").acquire().await.unwrap();
    let mut worker = lock_worker(&server.url(), SHORT).await;
    worker.send_line("acquire a");
    until_line(&coord, "a", 1, 1).await;
    worker.pause();
    holder.release().await.unwrap();
    let lease = coord.lock("a").acquire().await.unwrap();
    worker.resume();
    until_line(&coord, "a", 1, 1).await;
    let between = token(&lease);
    lease.release().await.unwrap();
    let later: u64 = worker.expect_line("held ").await.parse().unwrap();
    assert!(later > between);
}

#[tokio::test]
async fn killed_holders_one_after_another_never_give_out_a_smaller_token() {
    let server = RedisServer::start().await;
    let mut last = 0;
    for _ in 0..4 {
        let mut worker = lock_worker(&server.url(), SHORT).await;
        let token = acquire(&mut worker, "a").await;
        assert!(token > last);
        last = token;
        worker.kill();
    }
    let coord = coordinator(&server.url()).await;
    until("the last one to expire", async || {
        line(&coord, "a").await.is_empty().then_some(())
    })
    .await;
}
