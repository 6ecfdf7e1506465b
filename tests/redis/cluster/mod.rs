//! Redis Cluster: what it costs, what is listed, and what is refused.

mod failovers;
mod moves;

use coord::store::{
    Acquired, AppendRequest, FencingToken, LeaseRequest, ListRequest, PutRequest, RedisStore, Store,
};
use coord::{Coordinator, Error, StoreErrorKind};
use coord_tests::{RedisCluster, RedisServer, shared_redis_cluster, unique};
use futures_util::future::join_all;

use crate::{LONG, connect, patient, refused};

/// What a demoted master does that knows nothing of it looks the same: so the cluster is asked first.
#[tokio::test]
async fn tokens_grow_although_another_client_has_begun_lower() {
    let cluster = RedisCluster::start(3, 0).await;
    let store = patient().connect(&cluster.url()).await.unwrap();
    let granted = async |store: &RedisStore, floor| {
        let mut lease = LeaseRequest::exclusive("shop/a", LONG);
        lease.token_floor = floor;
        match store.acquire_lease(&lease).await {
            Ok(Acquired::Granted(token)) => {
                store.release_lease(&lease.lease).await.unwrap();
                token
            }
            other => panic!("{other:?}"),
        }
    };
    let first: u64 = granted(&store, None).await.into();
    let far_ahead = FencingToken::new(first + (1_000_000 << 32));
    granted(&store, Some(far_ahead)).await;
    let high = granted(&store, None).await;
    assert!(high > far_ahead);
    for node in cluster.nodes() {
        node.cli(&["FLUSHALL"]).await;
    }
    let other = patient().connect(&cluster.url()).await.unwrap();
    assert!(granted(&other, None).await < high);
    assert!(granted(&store, None).await > high);
}

#[tokio::test]
async fn an_operation_is_one_request() {
    let cluster = RedisCluster::start(1, 0).await;
    let coord = connect(patient(), &cluster.url()).await;
    let node = &cluster.masters()[0];
    let cycle = async || {
        let lease = coord.lock("a").acquire().await.unwrap();
        lease.release().await.unwrap();
        let key = unique("shop/x");
        let put = PutRequest::new(&*key, b"1".to_vec()).listed();
        coord.store().put_record(&put).await.unwrap();
        let append = AppendRequest::new(&*key, 0, b"1".to_vec());
        coord.store().append_log(&append).await.unwrap();
    };
    // The first has the epoch to learn.
    cycle().await;
    node.reset_stats().await;
    cycle().await;
    let stats = node.commandstats().await;
    assert_eq!(stats["evalsha"], 4, "{stats:?}");
    for other in ["cluster|slots", "hello", "ssubscribe", "script|load"] {
        assert!(!stats.contains_key(other), "{stats:?}");
    }
}

#[tokio::test]
async fn records_of_all_masters_are_listed_in_order() {
    let url = shared_redis_cluster().await;
    let store = patient().connect(&url).await.unwrap();
    let prefix = unique("listed/");
    let keys: Vec<_> = (0..700).map(|n| format!("{prefix}/{n:03}")).collect();
    join_all(keys.iter().map(async |key| {
        let put = PutRequest::new(&**key, key.clone()).listed();
        store.put_record(&put).await.unwrap();
    }))
    .await;
    let mut found = Vec::new();
    let mut request = ListRequest::new(&*prefix).limit(300);
    loop {
        let page = store.list_records(&request).await.unwrap();
        found.extend(page.entries.into_iter().map(|(key, _)| key));
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, keys);
}

#[tokio::test]
async fn what_cannot_be_used_is_told_without_secrets() {
    let cluster = RedisCluster::start_with_password(1, "secret").await;
    connect(patient(), &cluster.url_as(":secret@")).await;
    for user in [":hunter2@", "bob:hunter2@", ""] {
        let error = refused(patient(), &cluster.url_as(user)).await;
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("password"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    let alone = RedisServer::start().await;
    let error = refused(patient(), &format!("redis+cluster://{}", alone.addr())).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("redis://"), "{error}");
    // Two of three do not have what is looked at first.
    let url = shared_redis_cluster().await;
    let nodes = url.trim_start_matches("redis+cluster://").split(',');
    let connected = nodes.map(async |node| patient().connect(&format!("redis://{node}")).await);
    let refused: Vec<_> = join_all(connected).await;
    let refused: Vec<_> = refused.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    let shown = refused[0].to_string();
    assert!(shown.contains("redis+cluster://"), "{shown}");

    for malformed in [
        "redis+cluster://",
        "redis+cluster://:hunter2@a,,b",
        "redis+cluster://localhost/1",
        "redis+cluster://localhost?password=hunter2",
    ] {
        let error = Coordinator::connect(malformed).await.unwrap_err();
        assert!(
            matches!(error, Error::InvalidUrl { .. }),
            "{malformed}: {error:?}"
        );
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("redis+cluster://") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
