//! Quorums of real servers, and of a file.

use std::sync::Arc;
use std::time::Duration;

use coord::store::{LeaseRequest, Quorum, RedisStore, Store};
use coord::{Coordinator, StoreErrorKind};
use coord_tests::{RedisServer, new_sqlite, sqlite_url, store_at};

use crate::{LONG, acquired, get, set, some};

async fn five() -> (Vec<RedisServer>, Quorum) {
    let mut servers = Vec::new();
    for _ in 0..5 {
        servers.push(RedisServer::start().await);
    }
    let quorum = quorum(&servers).await;
    (servers, quorum)
}

async fn quorum(servers: &[RedisServer]) -> Quorum {
    let mut stores = Vec::new();
    for server in servers {
        stores.push(
            RedisStore::connect(&server.url())
                .await
                .expect("a server of ours"),
        );
    }
    Quorum::of(stores).call_limit(Duration::from_millis(500))
}

#[tokio::test]
async fn two_of_five_servers_killed_change_nothing_and_three_refuse_everything() {
    let (servers, store) = five().await;
    set(&store, "a", "one").await;
    let lease = LeaseRequest::exclusive("lock", LONG);
    let token = acquired(&store, &lease).await;

    servers[0].kill();
    servers[3].pause();
    assert_eq!(get(&store, "a").await.unwrap(), some("one"));
    set(&store, "a", "two").await;
    let renewed = store.renew_leases(&[lease.renewal()]).await.remove(0);
    assert!(renewed.is_ok(), "{renewed:?}");
    assert!(store.release_lease(&lease.lease).await.unwrap());
    let lease = LeaseRequest::exclusive("lock", LONG);
    assert!(acquired(&store, &lease).await > token);

    servers[4].kill();
    assert!(get(&store, "a").await.is_err());
    let other = LeaseRequest::exclusive("other lock", LONG);
    let error = store.acquire_lease(&other).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");

    servers[3].resume();
    assert_eq!(get(&store, "a").await.unwrap(), some("two"));
    assert_eq!(store.inspect_lease("other lock").await.unwrap(), []);
}

#[tokio::test]
async fn servers_that_restart_with_nothing_are_filled_again_one_by_one() {
    let (servers, store) = five().await;
    set(&store, "a", "one").await;
    let lease = LeaseRequest::exclusive("lock", LONG);
    let token = acquired(&store, &lease).await;
    for server in &servers {
        server.restart_empty().await;
        coord_tests::until("a store to be taken in again", async || {
            let repaired = store.repair().await.ok()?;
            (repaired.stores_left_out == 0).then_some(())
        })
        .await;
    }
    assert_eq!(get(&store, "a").await.unwrap(), some("one"));
    let renewed = store
        .renew_leases(&[lease.renewal()])
        .await
        .remove(0)
        .unwrap();
    assert_eq!(renewed, coord::store::Renewed::Granted(token));

    for server in &servers[..3] {
        server.restart_empty().await;
    }
    let denied = coord_tests::until("the loss to be noticed", async || {
        let error = get(&store, "a")
            .await
            .expect_err("a majority has lost its data");
        (error.kind() == StoreErrorKind::Denied).then_some(error)
    })
    .await;
    assert!(denied.to_string().contains("lost its data"), "{denied}");
}

#[tokio::test]
async fn a_quorum_of_different_kinds_takes_turns_between_processes() {
    let server = RedisServer::start().await;
    let (one, other) = (sqlite_url(&new_sqlite()), sqlite_url(&new_sqlite()));
    let mut processes = Vec::new();
    for _ in 0..3 {
        let stores: [Arc<dyn Store>; 3] = [
            store_at(&server.url()).await,
            store_at(&one).await,
            store_at(&other).await,
        ];
        processes.push(Coordinator::builder().store(Quorum::of(stores)).build());
    }
    let room = coord_tests::fleet::Room::default();
    let tasks: tokio::task::JoinSet<()> = (0..9)
        .map(|task| {
            let (coord, room) = (processes[task % 3].clone(), room.clone());
            async move {
                for _ in 0..4 {
                    let lease = coord.lock("a").acquire().await.expect("it comes in");
                    room.visit(1).await;
                    lease.release().await.expect("it was held");
                }
            }
        })
        .collect();
    tasks.join_all().await;
}
