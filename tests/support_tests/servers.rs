//! Redis servers start, stop, die, pause, come back and change roles.

use std::time::Duration;

use coord_tests::redis::Persistence;
use coord_tests::{PATIENCE, RedisServer, shared_redis, unique, until};

async fn value(server: &RedisServer, key: &str) -> Option<String> {
    let value = server.cli(&["GET", key]).await;
    (!value.is_null()).then(|| value.text().into_owned())
}

#[tokio::test]
async fn a_server_answers_once_it_has_started() {
    let server = RedisServer::start().await;
    assert_eq!(server.cli(&["SET", "a", "1"]).await.text(), "OK");
    assert_eq!(value(&server, "a").await.as_deref(), Some("1"));
    assert_eq!(server.url(), format!("redis://127.0.0.1:{}", server.port()));
}

#[tokio::test]
async fn two_servers_are_apart() {
    let (one, other) = tokio::join!(RedisServer::start(), RedisServer::start());
    one.cli(&["SET", "a", "1"]).await;
    assert_eq!(value(&other, "a").await, None);
}

#[tokio::test]
async fn a_password_is_asked_for_and_given() {
    let server = RedisServer::builder().password("a b\"@é").start().await;
    assert_eq!(value(&server, "a").await, None);
    let stranger = coord_tests::Proxy::start(server.addr());
    let reply = crate::client::Client::of(&stranger)
        .await
        .ask("GET a")
        .await
        .unwrap();
    assert!(reply.starts_with("-NOAUTH"), "{reply}");
}

#[tokio::test]
async fn lines_of_configuration_are_used() {
    let server = RedisServer::builder()
        .config("maxmemory-policy allkeys-lru")
        .start()
        .await;
    let policy = server.cli(&["CONFIG", "GET", "maxmemory-policy"]).await;
    assert_eq!(policy.array()[1].text(), "allkeys-lru");
}

#[tokio::test]
#[should_panic(expected = "Bad directive")]
async fn a_server_that_cannot_start_says_why() {
    RedisServer::builder()
        .config("no-such-option 1")
        .start()
        .await;
}

#[tokio::test]
async fn error_replies_are_errors() {
    let server = RedisServer::start().await;
    let error = server.try_cli(&["NOSUCH"]).await.unwrap_err();
    assert!(
        error.to_string().starts_with("ERR unknown command"),
        "{error}"
    );
}

#[tokio::test]
async fn a_stopped_server_is_gone_and_restarts_on_its_port() {
    let server = RedisServer::start().await;
    server.cli(&["SET", "a", "1"]).await;
    server.stop().await;
    assert!(server.try_cli(&["PING"]).await.is_err());
    server.restart().await;
    assert_eq!(
        value(&server, "a").await,
        None,
        "nothing is kept by default"
    );
}

#[tokio::test]
async fn a_killed_server_is_gone_at_once() {
    let server = RedisServer::start().await;
    server.kill();
    assert!(server.try_cli(&["PING"]).await.is_err());
}

#[tokio::test]
async fn a_snapshot_outlives_a_stop() {
    let server = RedisServer::builder()
        .persistence(Persistence::Snapshot)
        .start()
        .await;
    server.cli(&["SET", "a", "1"]).await;
    server.restart().await;
    assert_eq!(value(&server, "a").await.as_deref(), Some("1"));
    server.cli(&["SET", "b", "2"]).await;
    server.kill();
    server.restart().await;
    assert_eq!(value(&server, "b").await, None, "not in the snapshot");
    server.restart_empty().await;
    assert_eq!(value(&server, "a").await, None);
}

#[tokio::test]
async fn a_log_outlives_a_kill() {
    let server = RedisServer::builder()
        .persistence(Persistence::Log)
        .start()
        .await;
    server.cli(&["SET", "a", "1"]).await;
    server.kill();
    server.restart().await;
    assert_eq!(value(&server, "a").await.as_deref(), Some("1"));
    server.restart_empty().await;
    assert_eq!(value(&server, "a").await, None);
}

#[tokio::test]
async fn a_paused_server_answers_after_it_is_resumed() {
    let server = RedisServer::start().await;
    server.pause();
    let reply = server.cli(&["PING"]);
    tokio::pin!(reply);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), &mut reply)
            .await
            .is_err()
    );
    server.resume();
    assert_eq!(reply.await.text(), "PONG");
}

#[tokio::test]
async fn a_paused_server_can_be_stopped_and_killed() {
    let server = RedisServer::start().await;
    server.pause();
    server.restart().await;
    server.pause();
    server.kill();
    assert!(server.try_cli(&["PING"]).await.is_err());
}

#[tokio::test]
async fn a_replica_follows_and_is_promoted() {
    let primary = RedisServer::builder().password("secret").start().await;
    let replica = RedisServer::builder()
        .password("other")
        .replica_of(&primary)
        .start()
        .await;
    primary.cli(&["SET", "a", "1"]).await;
    replica.wait_until_replica_synced().await;
    assert_eq!(value(&replica, "a").await.as_deref(), Some("1"));
    let before = replica.info("master_replid").await;

    primary.kill();
    replica.promote().await;
    assert_ne!(replica.info("master_replid").await, before);
    replica.cli(&["SET", "a", "2"]).await;

    primary.restart().await;
    primary.follow(&replica).await;
    primary.wait_until_replica_synced().await;
    assert_eq!(value(&primary, "a").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn calls_are_counted_by_command() {
    let server = RedisServer::start().await;
    server.cli(&["SET", "a", "1"]).await;
    server.reset_stats().await;
    assert!(!server.commandstats().await.contains_key("set"));
    server
        .cli(&["EVAL", "return redis.call('GET', KEYS[1])", "1", "a"])
        .await;
    server.cli(&["CONFIG", "GET", "port"]).await;
    let stats = server.commandstats().await;
    assert_eq!(
        (stats["eval"], stats["get"], stats["config|get"]),
        (1, 1, 1)
    );
    assert!(!stats.contains_key("config|resetstat"));
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing() {
    let server = RedisServer::start().await;
    let (folder, addr) = (server.folder().to_owned(), server.addr());
    drop(server);
    assert!(!folder.exists());
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[tokio::test]
async fn the_shared_server_is_one() {
    let (one, other) = tokio::join!(shared_redis(), shared_redis());
    assert_eq!(one, other);
    assert_ne!(unique("a"), unique("a"));
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_stands_still_while_a_server_starts() {
    let before = tokio::time::Instant::now();
    let server = RedisServer::start().await;
    server.cli(&["PING"]).await;
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn waiting_gives_what_was_waited_for() {
    let mut looks = 0;
    let found = until("the third look", async || {
        looks += 1;
        (looks == 3).then_some(looks)
    });
    assert_eq!(tokio::time::timeout(PATIENCE, found).await, Ok(3));
}
