//! Wake-ups while connections break and history is compacted; and leases that end.

use std::time::Duration;

use coord::store::{AppendRequest, LeaseRequest, Store, StoreExt, Watched};
use coord_tests::{EtcdServer, PATIENCE, Wire, until};

use crate::{LONG, connect, coordinator, insist, token, until_in_line};

#[tokio::test]
async fn a_waiter_is_granted_although_its_connection_was_cut_and_history_compacted() {
    let server = EtcdServer::start().await;
    let wire = Wire::start(server.addr());
    let holding = coordinator(&server.url()).await;
    let waiting = coordinator(&format!("etcd://{}", wire.addr())).await;
    let lease = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    let waiter = tokio::spawn(async move { waiting.lock("a").ttl(LONG).acquire().await });
    until_in_line(&**holding.store(), 2).await;
    wire.refuse(true);
    wire.cut();
    let first = lease.token();
    lease.release().await.unwrap();
    let revision = server.control(&["get", "coord/base", "-w", "fields"]).await;
    let revision = revision
        .lines()
        .find_map(|line| line.strip_prefix("\"Revision\" : "))
        .expect("a revision")
        .to_owned();
    server.control(&["compact", &revision]).await;
    wire.refuse(false);
    let next = tokio::time::timeout(PATIENCE, waiter).await.unwrap();
    let next = next.unwrap().unwrap();
    assert!(next.token() > first);
    next.release().await.unwrap();
}

#[tokio::test]
async fn a_watch_goes_on_after_a_cut() {
    let server = EtcdServer::start().await;
    let wire = Wire::start(server.addr());
    let watching = connect(&format!("etcd://{}", wire.addr())).await;
    let writing = connect(&server.url()).await;
    let mut watch = watching
        .watch(&Watched::Record("a".to_owned()))
        .await
        .unwrap();
    for number in 0..5 {
        wire.cut();
        writing.set("a", number.to_string(), LONG).await.unwrap();
        tokio::time::timeout(PATIENCE, async {
            loop {
                watch.changed().await;
                let there = insist(async || watching.get("a").await).await;
                if there.is_some_and(|there| there == number.to_string()) {
                    return;
                }
            }
        })
        .await
        .expect("to be woken");
    }
}

#[tokio::test]
async fn a_lease_that_an_administrator_revokes_is_lost_and_the_next_is_granted() {
    let server = EtcdServer::start().await;
    let store = connect(&server.url()).await;
    let lease = LeaseRequest::exclusive("coord/lock/a", LONG);
    let held = token(&store, &lease).await;
    let waiting = coordinator(&server.url()).await;
    let waiter = tokio::spawn(async move { waiting.lock("a").acquire().await });
    until_in_line(&store, 2).await;
    let key = server
        .control(&["get", "coord/lines/", "--prefix", "-w", "fields"])
        .await;
    let revoked = key
        .lines()
        .find_map(|line| line.strip_prefix("\"Lease\" : "))
        .and_then(|lease| lease.parse::<i64>().ok())
        .expect("a lease");
    // The first one in the answer is the one with the smallest owner.
    let line = store.inspect_lease("coord/lock/a").await.unwrap();
    let smallest = line.iter().min_by_key(|contender| contender.owner).unwrap();
    if smallest.owner == lease.lease.owner {
        server
            .control(&["lease", "revoke", &format!("{revoked:x}")])
            .await;
    } else {
        store.release_lease(&lease.lease).await.unwrap();
    }
    let next = tokio::time::timeout(PATIENCE, waiter).await.unwrap();
    let next = next.unwrap().unwrap();
    assert!(u64::from(next.token()) > held);
    until("the one before to be told", async || {
        let renewed = store.renew_leases(&[lease.renewal()]).await.remove(0);
        (renewed.ok()? == coord::store::Renewed::Gone).then_some(())
    })
    .await;
    next.release().await.unwrap();
}

#[tokio::test]
async fn one_who_dies_is_followed_by_the_next() {
    let server = EtcdServer::start().await;
    let store = connect(&server.url()).await;
    let dead = LeaseRequest::exclusive("coord/lock/a", Duration::from_secs(2));
    let held = token(&store, &dead).await;
    let waiting = coordinator(&server.url()).await;
    let acquired = waiting.lock("a").acquire();
    let next = tokio::time::timeout(PATIENCE, acquired)
        .await
        .unwrap()
        .unwrap();
    assert!(u64::from(next.token()) > held);
    next.release().await.unwrap();
}

#[tokio::test]
async fn a_log_is_to_end_although_an_administrator_has_revoked_the_lease() {
    let server = EtcdServer::start().await;
    let store = connect(&server.url()).await;
    for log in ["one", "other"] {
        let append = AppendRequest::new(log, 0, "entry");
        store.append_log(&append).await.unwrap();
    }
    store.expire_log("one", LONG).await.unwrap();
    let leases = server.control(&["lease", "list"]).await;
    for lease in leases.lines().skip(1) {
        server.control(&["lease", "revoke", lease]).await;
    }
    store.expire_log("other", LONG).await.unwrap();
    assert!(store.read_log("one", 0, 1).await.unwrap().is_empty());
    assert_eq!(store.read_log("other", 0, 1).await.unwrap(), ["entry"]);
}
