//! Masters that die, hang, or are replaced.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use coord::store::{Acquired, LeaseRequest, Put, PutRequest, Renewed, Store};
use coord::{Error, StoreErrorKind};
use coord_tests::{PATIENCE, RedisCluster, RedisServer, until};
use futures_util::future::{Either, join_all, select};

use crate::{LONG, connect, patient, refused, token};

/// Nothing is waited for between the grant and the end of the master, since a replica has acknowledged it.
#[tokio::test]
async fn holder_and_waiter_follow_when_a_master_dies() {
    let cluster = RedisCluster::start(3, 1).await;
    let holding = connect(patient().min_replicas(1), &cluster.url()).await;
    let waiting = connect(patient(), &cluster.url()).await;
    let holder = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    let waiter = tokio::spawn(async move { waiting.lock("a").acquire().await });
    until("one to wait", async || {
        let line = holding.store().inspect_lease("shop/lock/a").await.unwrap();
        (line.len() == 2).then_some(())
    })
    .await;
    let master = cluster.master_with("shop/lock/a").await;
    let replica = &cluster.replicas()[master];
    replica.wait_until_replica_synced().await;
    cluster.masters()[master].kill();
    cluster.until_promoted(replica).await;
    assert!(holder.is_held());
    assert!(!waiter.is_finished());
    let before = token(&holder);
    // No replica is left to acknowledge anything, so it is not told whether that succeeds.
    let beside = connect(patient(), &cluster.url()).await;
    let line = beside.store().inspect_lease("shop/lock/a").await.unwrap();
    assert_eq!(u64::from(line[0].token), before);
    let _ = holder.release().await;
    let next = waiter.await.unwrap().unwrap();
    assert!(token(&next) > before);
}

#[tokio::test]
async fn what_was_answered_is_at_the_replica() {
    let cluster = RedisCluster::start(3, 1).await;
    let coord = connect(patient().min_replicas(1), &cluster.url()).await;
    let put = PutRequest::new("shop/x", b"1".to_vec());
    let stored = coord.store().put_record(&put).await;
    assert!(matches!(stored, Ok(Put::Stored(_))));
    let master = cluster.master_with("shop/x").await;
    cluster.masters()[master].kill();
    cluster.until_promoted(&cluster.replicas()[master]).await;
    let after = connect(patient(), &cluster.url()).await;
    assert!(after.store().get_record("shop/x").await.unwrap().is_some());
}

/// A replica that lacks the latest may take over: what was asked for after that gets greater tokens all the same.
#[tokio::test]
async fn tokens_grow_through_the_death_of_a_master_under_load() {
    let cluster = RedisCluster::start(3, 1).await;
    let last: Arc<[AtomicU64; 8]> = Arc::default();
    let enough = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let coord = connect(patient(), &cluster.url()).await;
        let (last, enough) = (Arc::clone(&last), Arc::clone(&enough));
        tasks.push(tokio::spawn(async move {
            let mut number = 0;
            while !enough.load(Ordering::SeqCst) {
                number = (number + 1) % 8;
                let greatest = &last[number];
                let before = greatest.load(Ordering::SeqCst);
                let lock = coord.lock(format!("load/{number}"));
                match lock.ttl(Duration::from_secs(1)).acquire().await {
                    Ok(lease) => {
                        let token = token(&lease);
                        assert!(token > before, "{token} after {before}");
                        greatest.fetch_max(token, Ordering::SeqCst);
                        let _ = lease.release().await;
                    }
                    Err(error) => assert!(error.is_retryable(), "{error}"),
                }
            }
        }));
    }
    let all_go_on = async || {
        let from: Vec<_> = last
            .iter()
            .map(|last| last.load(Ordering::SeqCst))
            .collect();
        until("every lock to be granted again", async || {
            let goes_on = |(last, from): (&AtomicU64, _)| last.load(Ordering::SeqCst) > from;
            let mut locks = last.iter().zip(from.iter().copied());
            locks.all(goes_on).then_some(())
        })
        .await;
    };
    all_go_on().await;
    for number in 0..2 {
        let (master, replica) = (&cluster.masters()[number], &cluster.replicas()[number]);
        master.kill();
        cluster.until_promoted(replica).await;
        all_go_on().await;
        // What was the master comes back with nothing, as a replica.
        master.restart().await;
    }
    all_go_on().await;
    enough.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_cluster_that_is_down_refuses_in_time_and_serves_again() {
    let cluster = RedisCluster::start(3, 0).await;
    let coord = connect(patient(), &cluster.url()).await;
    let lease = coord.lock("a").acquire().await.unwrap();
    let before = token(&lease);
    lease.release().await.unwrap();
    let master = cluster.master_with("coord").await;
    let master = &cluster.masters()[master];
    master.kill();
    let refusal = async || {
        let acquired = coord.lock("a").acquire();
        let answer = tokio::time::timeout(PATIENCE, acquired).await;
        match answer.expect("an answer") {
            Err(Error::Store(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    // The first may have been under way.
    assert!(refusal().await.is_retryable());
    let error = refusal().await;
    assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");
    for node in cluster.masters() {
        node.kill();
    }
    let error = refused(patient(), &cluster.url()).await;
    assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");
    assert!(error.to_string().contains("no node"), "{error}");

    join_all(cluster.masters().iter().map(RedisServer::restart)).await;
    let lease = until("the cluster to serve again", async || {
        coord.lock("a").acquire().await.ok()
    })
    .await;
    assert!(token(&lease) > before);
}

/// Has the master of `key` go on without its replica, which lacks whatever is written from then on.
async fn leave_replica_behind(cluster: &RedisCluster, key: &str) -> usize {
    let number = cluster.master_with(key).await;
    let replica = &cluster.replicas()[number];
    replica.wait_until_replica_synced().await;
    // It is not let in again with a password where there is none.
    let mistake = ["CONFIG", "SET", "masterauth", "mistake"];
    replica.cli(&mistake).await;
    let master = &cluster.masters()[number];
    master.cli(&["CLIENT", "KILL", "TYPE", "replica"]).await;
    until("the replica to be left behind", async || {
        (replica.info("master_link_status").await == "down").then_some(())
    })
    .await;
    number
}

#[tokio::test]
async fn a_grant_after_a_failover_is_above_those_that_were_lost() {
    let cluster = RedisCluster::start(3, 1).await;
    let holding = connect(patient(), &cluster.url()).await;
    let other = connect(patient(), &cluster.url()).await;
    drop(holding.lock("a").acquire().await.unwrap());
    let master = leave_replica_behind(&cluster, "coord").await;
    let holder = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    cluster.masters()[master].kill();
    cluster.until_promoted(&cluster.replicas()[master]).await;
    let next = other.lock("a").acquire().await.unwrap();
    assert!(token(&next) > token(&holder));
    holder.lost().await;
}

/// The new master knows of one who waits, with the number that it had then.
#[tokio::test]
async fn a_hand_over_after_a_failover_is_above_the_grants_that_were_lost() {
    let cluster = RedisCluster::start(3, 1).await;
    let store = patient().connect(&cluster.url()).await.unwrap();
    let other = patient().connect(&cluster.url()).await.unwrap();
    let [first, second, third] = [(); 3].map(|()| LeaseRequest::exclusive("shop/a", LONG));
    let second = second.queue(LONG);
    store.acquire_lease(&first).await.unwrap();
    let waits = store.acquire_lease(&second).await.unwrap();
    assert!(matches!(waits, Acquired::Waiting { .. }));
    let master = leave_replica_behind(&cluster, "coord").await;
    assert!(store.release_lease(&first.lease).await.unwrap());
    assert!(store.release_lease(&second.lease).await.unwrap());
    let Acquired::Granted(lost) = store.acquire_lease(&third).await.unwrap() else {
        panic!("it was free");
    };
    cluster.masters()[master].kill();
    cluster.until_promoted(&cluster.replicas()[master]).await;
    until("the release of the first", async || {
        other.release_lease(&first.lease).await.ok()
    })
    .await;
    let line = other.inspect_lease("shop/a").await.unwrap();
    assert_eq!(line.len(), 1);
    assert!(line[0].granted && line[0].owner == second.lease.owner);
    assert!(line[0].token > lost);
}

/// The connections of those who wait stay as they are; only the slot is another's.
#[tokio::test]
async fn holder_and_waiter_follow_when_an_operator_changes_the_master() {
    let cluster = RedisCluster::start(3, 1).await;
    let holding = connect(patient(), &cluster.url()).await;
    let waiting = connect(patient(), &cluster.url()).await;
    let holder = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    let before = token(&holder);
    let waiter = tokio::spawn(async move { waiting.lock("a").acquire().await });
    until("one to wait", async || {
        let line = holding.store().inspect_lease("shop/lock/a").await.unwrap();
        (line.len() == 2).then_some(())
    })
    .await;
    let replica = &cluster.replicas()[cluster.master_with("shop/lock/a").await];
    replica.cli(&["CLUSTER", "FAILOVER"]).await;
    cluster.until_promoted(replica).await;
    holder.release().await.unwrap();
    let next = waiter.await.unwrap().unwrap();
    assert!(token(&next) > before);
    next.release().await.unwrap();
}

/// It goes on as a master for a moment, once it is let go on.
#[tokio::test]
async fn a_master_that_hangs_is_given_up_and_its_successor_found() {
    let cluster = RedisCluster::start(3, 1).await;
    let coord = connect(patient(), &cluster.url()).await;
    let lease = coord.lock("a").acquire().await.unwrap();
    let before = token(&lease);
    lease.release().await.unwrap();
    let master = cluster.master_with("coord").await;
    cluster.replicas()[master].wait_until_replica_synced().await;
    cluster.masters()[master].pause();
    // What is asked for meanwhile is refused in time, or granted by the successor.
    let again = async || {
        until("the lock to be granted", async || {
            let answer = tokio::time::timeout(PATIENCE, coord.lock("a").acquire()).await;
            match answer.expect("an answer") {
                Ok(lease) => Some(lease),
                Err(error) => {
                    assert!(error.is_retryable(), "{error}");
                    None
                }
            }
        })
        .await
    };
    let lease = again().await;
    let after = token(&lease);
    assert!(after > before);
    lease.release().await.unwrap();
    cluster.masters()[master].resume();
    let lease = again().await;
    assert!(token(&lease) > after);
}

/// Renewals are sent together, and answered together.
#[tokio::test]
async fn a_master_that_hangs_costs_no_lease_of_another() {
    let cluster = RedisCluster::start(3, 0).await;
    for node in cluster.masters() {
        let coverage = ["CONFIG", "SET", "cluster-require-full-coverage", "no"];
        node.cli(&coverage).await;
    }
    let url = cluster.url();
    let store = patient().response_timeout(PATIENCE).connect(&url);
    let store = store.await.unwrap();
    let mut on_masters = BTreeMap::new();
    for number in 0.. {
        let lease = LeaseRequest::exclusive(format!("shop/{number}/"), LONG);
        store.acquire_lease(&lease).await.unwrap();
        let master = cluster.master_with(&lease.lease.resource).await;
        on_masters.insert(master, lease);
        if on_masters.len() == 2 {
            break;
        }
    }
    let mut on_masters = on_masters.into_iter();
    let (hangs, mut hanging) = on_masters.next().unwrap();
    let (_, mut other) = on_masters.next().unwrap();
    cluster.masters()[hangs].pause();
    (hanging.ttl, other.ttl) = (Duration::from_secs(2), Duration::from_secs(2));
    let batch = [hanging.renewal(), other.renewal()];
    let answers = pin!(store.renew_leases(&batch));
    let end = pin!(until("the lease to end", async || {
        let line = store.inspect_lease(&other.lease.resource).await.unwrap();
        line.is_empty().then_some(())
    }));
    let Either::Left((answers, _)) = select(answers, end).await else {
        panic!("the lease has ended before the answer was there");
    };
    cluster.masters()[hangs].resume();
    assert_eq!(
        answers[0].as_ref().unwrap_err().kind(),
        StoreErrorKind::Unknown
    );
    assert!(matches!(answers[1], Ok(Renewed::Granted(_))), "{answers:?}");
}
