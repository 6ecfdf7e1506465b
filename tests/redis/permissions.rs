//! The user of the documentation: it can do what the store does, and nothing else.

use std::time::Duration;

use coord::StoreErrorKind;
use coord::store::{AppendRequest, ListRequest, PutRequest, ScanRequest, Scanned, Watched};
use coord_tests::{RedisCluster, RedisServer};

use crate::{builder, connect, patient, refused};

const DOCUMENTATION: &str = include_str!("../../coord/src/store/redis/mod.rs");

/// The rules behind `ACL SETUSER coord`, as the documentation has them: for a server alone, and for nodes of a cluster.
fn rules(which: usize) -> Vec<&'static str> {
    let from = DOCUMENTATION
        .split("ACL SETUSER coord ")
        .nth(1 + which)
        .unwrap();
    let (text, _) = from.split_once("```").unwrap();
    text.split_whitespace()
        .filter(|word| *word != "///")
        .collect()
}

/// A server with that user, and the user's URL.
async fn with_user() -> (RedisServer, String) {
    let server = RedisServer::start().await;
    let mut command = vec!["ACL", "SETUSER", "coord"];
    command.extend(rules(0));
    server.cli(&command).await;
    let url = format!("redis://coord:PASSWORD@127.0.0.1:{}", server.port());
    (server, url)
}

#[tokio::test]
async fn it_can_do_all_that_the_store_does() {
    let (_server, url) = with_user().await;
    do_all(&url).await;
}

#[tokio::test]
async fn it_can_do_all_that_the_store_does_in_a_cluster() {
    let cluster = RedisCluster::start(3, 0).await;
    let mut command = vec!["ACL", "SETUSER", "coord"];
    command.extend(rules(1));
    for node in cluster.nodes() {
        node.cli(&command).await;
    }
    do_all(&cluster.url_as("coord:PASSWORD@")).await;
}

async fn do_all(url: &str) {
    let coord = connect(patient().min_replicas(0), url).await;
    let other = connect(patient(), url).await;
    let lease = coord
        .lock("a")
        .ttl(Duration::from_secs(1))
        .acquire()
        .await
        .unwrap();
    let waiter = tokio::spawn(async move { other.lock("a").acquire().await });
    let resource = "shop/lock/a";
    coord_tests::until("the other to wait", async || {
        let line = coord.store().inspect_lease(resource).await.unwrap();
        (line.len() == 2).then_some(())
    })
    .await;
    lease.release().await.unwrap();
    waiter.await.unwrap().unwrap().release().await.unwrap();

    let run = coord
        .idempotency("payment:1")
        .run(async || Ok::<_, coord::Error>(7));
    assert_eq!(run.await.unwrap(), 7);

    let store = coord.store();
    let put = PutRequest::new("shop/x", b"1".to_vec()).listed();
    store.put_watched(&put).await.unwrap();
    assert_eq!(
        store
            .list_records(&ListRequest::new("shop/"))
            .await
            .unwrap()
            .entries
            .len(),
        1
    );
    for what in [Scanned::Records, Scanned::Leases] {
        store.scan(&ScanRequest::new(what, "shop/")).await.unwrap();
    }
    // It may not read the server's settings, and is told so.
    let found = store.examine().await.unwrap();
    assert!(found.server.is_some() && found.time.is_some(), "{found:?}");
    assert!(found.warnings[0].contains("CONFIG GET"), "{found:?}");
    store.get_record("shop/x").await.unwrap().unwrap();
    store.watch(&Watched::Log("shop/log".into())).await.unwrap();
    store
        .append_log(&AppendRequest::new("shop/log", 0, b"1".to_vec()))
        .await
        .unwrap();
    assert_eq!(store.read_log("shop/log", 0, 10).await.unwrap().len(), 1);
    store
        .expire_log("shop/log", Duration::from_secs(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn it_can_do_nothing_else() {
    let (_server, url) = with_user().await;
    let client = redis::Client::open(&*url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for command in [
        &["FLUSHALL"][..],
        &["KEYS", "*"],
        &["CONFIG", "SET", "maxmemory", "1"],
        &["SHUTDOWN"],
        &["ACL", "LIST"],
        &["GET", "somebody:else"],
        &["SET", "{else/lock/a}", "1"],
        &["SUBSCRIBE", "others"],
    ] {
        let mut of_words = redis::cmd(command[0]);
        let refused: Result<redis::Value, _> = of_words
            .arg(&command[1..])
            .query_async(&mut connection)
            .await;
        assert_eq!(
            refused.expect_err("a refusal").kind(),
            redis::ErrorKind::Server(redis::ServerErrorKind::NoPerm),
            "{command:?}"
        );
    }
}

#[tokio::test]
async fn a_user_that_lacks_a_right_is_told() {
    let (server, url) = with_user().await;
    let coord = connect(builder(), &url).await;
    server.cli(&["ACL", "SETUSER", "coord", "-evalsha"]).await;
    let error = coord.lock("a").acquire().await.unwrap_err();
    assert!(error.to_string().contains("lacks a permission"), "{error}");
    let error = refused(builder(), &url).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
}
