//! Writes that count only once replicas have them.

use std::time::Duration;

use coord::store::{
    Acquired, Append, AppendRequest, LeaseRequest, Put, PutRequest, Renewed, Store, Wake,
};
use coord::{Error, StoreErrorKind};
use coord_tests::{PATIENCE, RedisCluster, RedisServer, until};

use crate::{LONG, builder, connect, token};

async fn pair() -> (RedisServer, RedisServer) {
    let primary = RedisServer::start().await;
    let replica = RedisServer::builder().replica_of(&primary).start().await;
    replica.wait_until_replica_synced().await;
    (primary, replica)
}

/// Nothing is waited for between the answer and the end of the primary.
#[tokio::test]
async fn what_was_answered_is_at_the_replica() {
    let (primary, replica) = pair().await;
    let coord = connect(builder().min_replicas(1), &primary.url()).await;
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    let put = PutRequest::new("shop/x", b"1".to_vec());
    assert!(matches!(
        coord.store().put_record(&put).await,
        Ok(Put::Stored(_))
    ));
    let append = AppendRequest::new("shop/log", 0, b"1".to_vec());
    assert!(matches!(
        coord.store().append_log(&append).await,
        Ok(Append::Appended)
    ));
    primary.kill();
    replica.promote().await;
    let after = connect(builder(), &replica.url()).await;
    let line = after.store().inspect_lease("shop/lock/a").await.unwrap();
    assert_eq!(u64::from(line[0].token), token(&lease));
    assert!(after.store().get_record("shop/x").await.unwrap().is_some());
    assert_eq!(
        after
            .store()
            .read_log("shop/log", 0, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_write_that_too_few_acknowledge_is_perhaps_done_and_can_be_sent_again() {
    let (primary, replica) = pair().await;
    let coord = connect(builder().min_replicas(1), &primary.url()).await;
    replica.pause();
    let put = PutRequest::new("shop/x", b"1".to_vec());
    let error = coord.store().put_record(&put).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown, "{error}");
    assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
    replica.resume();
    until("the replica to acknowledge", async || {
        coord.store().put_record(&put).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_write_to_a_cluster_that_too_few_acknowledge_is_perhaps_done_and_can_be_sent_again() {
    let cluster = RedisCluster::start(3, 1).await;
    let coord = connect(builder().min_replicas(1), &cluster.url()).await;
    for replica in cluster.replicas() {
        replica.pause();
    }
    let put = PutRequest::new("shop/x", b"1".to_vec());
    let error = coord.store().put_record(&put).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown, "{error}");
    assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
    for replica in cluster.replicas() {
        replica.resume();
    }
    until("the replica to acknowledge", async || {
        coord.store().put_record(&put).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_write_is_perhaps_done_if_the_primary_is_demoted_while_it_waits_for_replicas() {
    let (primary, replica) = pair().await;
    let store = builder().response_timeout(PATIENCE).min_replicas(1);
    let store = store.connect(&primary.url()).await.unwrap();
    replica.pause();
    let put = PutRequest::new("shop/x", b"1".to_vec());
    let putting = tokio::spawn(async move { store.put_record(&put).await });
    until("the primary to wait", async || {
        (primary.info("blocked_clients").await == "1").then_some(())
    })
    .await;
    primary.follow(&replica).await;
    let error = putting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown, "{error}");
    replica.resume();
}

#[tokio::test]
async fn a_lock_that_too_few_acknowledge_is_given_back() {
    let (primary, replica) = pair().await;
    let coord = connect(builder().min_replicas(1), &primary.url()).await;
    replica.pause();
    let error = coord.lock("a").ttl(LONG).acquire().await.unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error:?}");
    until("the lock to be free", async || {
        let line = coord.store().inspect_lease("shop/lock/a").await.unwrap();
        line.is_empty().then_some(())
    })
    .await;
    replica.resume();
}

#[tokio::test]
async fn a_holder_whose_renewals_nobody_acknowledges_loses_the_lock() {
    let (primary, replica) = pair().await;
    let coord = connect(builder().min_replicas(1), &primary.url()).await;
    let lease = coord
        .lock("a")
        .ttl(Duration::from_secs(1))
        .acquire()
        .await
        .unwrap();
    replica.pause();
    lease.lost().await;
    replica.resume();
}

/// The server tells of a hand-over at once, when no replica has it yet.
#[tokio::test]
async fn a_lock_that_is_handed_over_is_held_only_once_a_replica_has_it() {
    let (primary, replica) = pair().await;
    let url = primary.url();
    let store = builder().min_replicas(1).connect(&url).await.unwrap();
    let beside = builder().connect(&url).await.unwrap();
    let [holder, waiter] = [(); 2].map(|()| LeaseRequest::exclusive("shop/a", LONG));
    let waiter = waiter.queue(LONG);
    beside.acquire_lease(&holder).await.unwrap();
    let waits = store.acquire_lease(&waiter).await.unwrap();
    let Acquired::Waiting { mut wake, .. } = waits else {
        panic!("{waits:?}");
    };
    replica.pause();
    assert!(beside.release_lease(&holder.lease).await.unwrap());
    let told = wake.changed().await;
    assert!(matches!(told, Wake::Look), "{told:?}");
    let renew = async || store.renew_leases(&[waiter.renewal()]).await.remove(0);
    let error = renew().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown, "{error}");
    replica.resume();
    until("the replica to acknowledge", async || {
        matches!(renew().await, Ok(Renewed::Granted(_))).then_some(())
    })
    .await;
}

/// One wait serves all who wait by then.
#[tokio::test]
async fn many_share_an_acknowledgement() {
    let (primary, _replica) = pair().await;
    let store = builder()
        .response_timeout(PATIENCE)
        .min_replicas(1)
        .connect(&primary.url())
        .await
        .unwrap();
    primary.reset_stats().await;
    let puts = (0..200).map(|number| {
        let store = store.clone();
        async move {
            let put = PutRequest::new(format!("shop/{number}"), b"1".to_vec());
            store.put_record(&put).await.unwrap();
        }
    });
    futures_util::future::join_all(puts).await;
    let waits = primary.commandstats().await["wait"];
    assert!(waits < 50, "{waits} for 200");
}
