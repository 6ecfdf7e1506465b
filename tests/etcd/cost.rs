//! How many calls an operation is.

use coord::Coordinator;
use coord::store::{
    AppendRequest, Condition, LeaseRequest, Put, PutRequest, Quorum, Store, StoreExt,
};
use coord_tests::{EtcdServer, Wire};

use crate::{LONG, connect, token};

async fn calls(server: &EtcdServer, work: impl Future<Output = ()>) -> u64 {
    let before = server.calls().await;
    work.await;
    server.calls().await - before
}

#[tokio::test]
async fn what_meets_nobody_is_one_call() {
    let server = EtcdServer::start().await;
    let store = connect(&server.url()).await;
    let lease = LeaseRequest::exclusive("lease", LONG).queue(LONG);
    let append = |len| AppendRequest::new("log", len, "one");
    // What each of them needs from etcd once, for a while.
    token(&store, &lease).await;
    store.release_lease(&lease.lease).await.unwrap();
    store.append_log(&append(0)).await.unwrap();

    let lease = LeaseRequest::exclusive("lease", LONG).queue(LONG);
    let acquire = calls(&server, async {
        token(&store, &lease).await;
    });
    assert_eq!(acquire.await, 1, "acquire");
    let release = calls(&server, async {
        assert!(store.release_lease(&lease.lease).await.unwrap());
    });
    assert_eq!(release.await, 1, "release");
    let append = calls(&server, async {
        store.append_log(&append(1)).await.unwrap();
    });
    assert_eq!(append.await, 1, "append");

    let absent = || PutRequest::new("one", "1").when(Condition::Absent);
    let put = calls(&server, async {
        assert!(matches!(
            store.put_record(&absent()).await,
            Ok(Put::Stored(_))
        ));
    });
    assert_eq!(put.await, 1, "put");
    let listed = PutRequest::new("list", "two").listed();
    let two = PutRequest::new("two", "1").when(Condition::Absent);
    let after = calls(&server, async {
        let put = store.put_after(&listed, &two).await;
        assert!(matches!(put, Ok(Put::Stored(_))));
    });
    assert_eq!(after.await, 1, "put after another");
    let conflict = calls(&server, async {
        let put = store
            .put_after(&PutRequest::new("list", "one"), &absent())
            .await;
        assert!(matches!(put, Ok(Put::Conflict(Some(_)))));
    });
    assert_eq!(conflict.await, 2, "put after another, of what is there");
}

/// A server breaks the connection of whoever asks for signs of life while nothing is under way.
#[tokio::test]
async fn one_with_nothing_to_do_keeps_its_connection() {
    let server = EtcdServer::start().await;
    let wire = Wire::start(server.addr());
    let store = connect(&format!("etcd://{}", wire.addr())).await;
    let before = wire.connections();
    tokio::time::pause();
    tokio::time::sleep(LONG).await;
    tokio::time::resume();
    assert!(!store.exists("a").await.unwrap());
    assert_eq!(wire.connections(), before);
}

/// A promise keeps a record for as long as it still has, which is never the same.
#[tokio::test]
async fn a_quorum_needs_few_of_its_leases_however_often_a_lock_is_taken() {
    let server = EtcdServer::start().await;
    let quorum = Quorum::of([connect(&server.url()).await]);
    let coord = Coordinator::builder().store(quorum).build();
    for _ in 0..50 {
        let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
        lease.release().await.unwrap();
    }
    let listed = server.control(&["lease", "list"]).await;
    let is_number = |line: &&str| u64::from_str_radix(line, 16).is_ok();
    let leases = listed.lines().filter(is_number).count();
    assert!((1..50).contains(&leases), "{listed}");
}
