//! Three servers, whose leader dies or stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coord::store::{EtcdStore, LeaseRequest, PutRequest, Renewed, Store, StoreExt};
use coord_tests::{EtcdCluster, PATIENCE, Wire, until};

use crate::{LONG, connect, coordinator, insist, token, until_in_line};

#[tokio::test]
async fn nothing_is_lost_with_the_leader_and_a_waiter_is_granted() {
    let cluster = EtcdCluster::start().await;
    let url = cluster.url();
    let store = Arc::new(connect(&url).await);
    let (holding, waiting) = (coordinator(&url).await, coordinator(&url).await);
    let lease = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    let waiter = tokio::spawn(async move { waiting.lock("a").ttl(LONG).acquire().await });
    until_in_line(&*store, 2).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|task| {
            let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut puts = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let key = format!("put/{task}/{}", puts.len());
                    let put = PutRequest::new(&*key, key.clone());
                    if store.put_record(&put).await.is_err() {
                        break;
                    }
                    puts.push(key);
                }
                puts
            })
        })
        .collect();
    until("some writes", async || {
        store.exists("put/0/20").await.ok()?.then_some(())
    })
    .await;
    cluster.leader().await.kill();
    let after = PutRequest::new("after", "value");
    insist(async || store.put_record(&after).await).await;
    is_over.store(true, Ordering::Relaxed);
    let mut puts = Vec::new();
    for writer in writers {
        puts.extend(writer.await.unwrap());
    }
    for key in &puts {
        let there = insist(async || store.exists(key).await).await;
        assert!(there, "{key} was lost");
    }
    let first = lease.token();
    let owner = store.inspect_lease("coord/lock/a").await.unwrap()[0].token;
    assert_eq!(owner, first, "it is still held");
    lease.release().await.unwrap();
    let next = tokio::time::timeout(PATIENCE, waiter).await.unwrap();
    let next = next.unwrap().unwrap();
    assert!(next.token() > first);
    next.release().await.unwrap();
}

/// One that stands still believes that it leads, until it hears of the other.
#[tokio::test]
async fn a_leader_that_stood_still_brings_nothing_back() {
    let cluster = EtcdCluster::start().await;
    let store = EtcdStore::builder()
        .response_timeout(Duration::from_secs(1))
        .connect(&cluster.url())
        .await
        .unwrap();
    let lease = LeaseRequest::exclusive("a", LONG);
    let held = token(&store, &lease).await;
    let leader = cluster.leader().await;
    leader.pause();
    let released = insist(async || store.release_lease(&lease.lease).await).await;
    assert!(released);
    let next = LeaseRequest::exclusive("a", LONG);
    insist(async || store.acquire_lease(&next).await).await;
    leader.resume();
    let renewed = insist(async || store.renew_leases(&[next.renewal()]).await.remove(0)).await;
    let Renewed::Granted(later) = renewed else {
        panic!("it holds: {renewed:?}")
    };
    assert!(u64::from(later) > held);
    // Also as the one that stood still tells it.
    let of_leader = until("it to serve again", async || {
        EtcdStore::connect(&leader.url()).await.ok()
    })
    .await;
    let line = insist(async || of_leader.inspect_lease("a").await).await;
    assert_eq!(line.len(), 1);
    assert_eq!(line[0].owner, next.lease.owner);
}

/// A member that hears nothing of us, nor we of it, is left for another one.
#[tokio::test]
async fn a_member_that_is_cut_off_is_left_for_another() {
    let cluster = EtcdCluster::start().await;
    let wire = Wire::start(cluster.servers()[0].addr());
    let url = format!("etcd://{},{}", wire.addr(), cluster.servers()[1].addr());
    let store = connect(&url).await;
    let lease = LeaseRequest::exclusive("a", LONG);
    let held = token(&store, &lease).await;
    for number in 0..5 {
        wire.refuse(number % 2 == 0);
        wire.cut();
        let renewed = insist(async || store.renew_leases(&[lease.renewal()]).await.remove(0)).await;
        let Renewed::Granted(still) = renewed else {
            panic!("it holds: {renewed:?}")
        };
        assert_eq!(u64::from(still), held);
    }
    assert!(insist(async || store.release_lease(&lease.lease).await).await);
}

#[tokio::test]
async fn without_a_majority_no_call_hangs_and_what_was_held_is_held_after() {
    let cluster = EtcdCluster::start().await;
    let store = EtcdStore::builder()
        .response_timeout(Duration::from_millis(500))
        .connect(&cluster.url())
        .await
        .unwrap();
    let lease = LeaseRequest::exclusive("a", LONG);
    let held = token(&store, &lease).await;
    let [first, second, _] = cluster.servers() else {
        panic!("there are three")
    };
    first.pause();
    second.pause();
    let asked = tokio::time::timeout(PATIENCE, store.get_record("b")).await;
    let error = asked.expect("it does not hang").unwrap_err();
    assert!(error.is_retryable(), "{error}");
    first.resume();
    second.resume();
    let renewed = insist(async || store.renew_leases(&[lease.renewal()]).await.remove(0)).await;
    assert!(
        matches!(renewed, Renewed::Granted(token) if u64::from(token) == held),
        "{renewed:?}"
    );
}
