//! Servers that are killed, paused, or lose everything.

use std::sync::Arc;
use std::time::Duration;

use coord::StoreErrorKind;
use coord::store::{
    Acquired, Append, AppendRequest, FencingToken, LeaseRequest, PutRequest, Renewed, Store,
    StoreExt, ZookeeperStore,
};
use coord_tests::{PATIENCE, Still, Wire, ZookeeperServer, until};
use futures_util::future::join_all;

use crate::{LONG, connect, coordinator, insist, token, until_in_line};

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let server = ZookeeperServer::builder().durable().start().await;
    let store = Arc::new(connect(&server.url()).await);
    let lease = LeaseRequest::exclusive("lease", LONG);
    let held = token(&*store, &lease).await;
    let writers: Vec<_> = (0..4)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let (mut puts, mut length) = (Vec::new(), 0);
                let log = format!("log/{task}");
                loop {
                    let key = format!("put/{task}/{length}");
                    let put = PutRequest::new(&*key, key.clone());
                    if store.put_record(&put).await.is_err() {
                        return (log, puts, length);
                    }
                    puts.push(key);
                    let append = AppendRequest::new(&*log, length, length.to_string());
                    match store.append_log(&append).await {
                        Ok(appended) => assert_eq!(appended, Append::Appended),
                        Err(_) => return (log, puts, length),
                    }
                    length += 1;
                }
            })
        })
        .collect();
    until("some writes", async || {
        store.exists("put/0/20").await.ok()?.then_some(())
    })
    .await;
    server.kill();
    let mut done = Vec::new();
    for writer in writers {
        done.push(writer.await.unwrap());
    }
    server.restart().await;
    let store = connect(&server.url()).await;
    for (log, puts, length) in &done {
        for key in puts {
            assert!(store.exists(key).await.unwrap(), "{key} was lost");
        }
        let entries = store.read_log(log, 0, usize::MAX).await.unwrap();
        let expected: Vec<_> = (0..entries.len()).map(|index| index.to_string()).collect();
        assert_eq!(entries, expected, "the log {log} has holes");
        assert!(entries.len() as u64 >= *length, "{log} lost its end");
    }
    let line = store.inspect_lease("lease").await.unwrap();
    assert_eq!(line[0].owner, lease.lease.owner, "it is still held");
    assert!(store.release_lease(&lease.lease).await.unwrap());
    assert!(token(&store, &LeaseRequest::exclusive("lease", LONG)).await > held);
}

#[tokio::test]
async fn a_holder_and_a_waiter_outlive_a_restart() {
    let server = ZookeeperServer::builder().durable().start().await;
    let (holding, waiting) = (
        coordinator(&server.url()).await,
        coordinator(&server.url()).await,
    );
    let lease = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    // One whose server is away for longer than a waiter is patient is told so, and asks again.
    let waiter = tokio::spawn(async move {
        loop {
            if let Ok(lease) = waiting.lock("a").ttl(LONG).acquire().await {
                return lease;
            }
        }
    });
    until_in_line(&**holding.store(), 2).await;
    server.restart().await;
    let first = u64::from(lease.token());
    lease.release().await.unwrap();
    let next = tokio::time::timeout(PATIENCE, waiter).await.unwrap();
    let next = next.unwrap();
    assert!(u64::from(next.token()) > first);
    next.release().await.unwrap();
}

#[tokio::test]
async fn tokens_grow_although_the_server_has_lost_everything() {
    let server = ZookeeperServer::start().await;
    let store = connect(&server.url()).await;
    let lease = LeaseRequest::exclusive("a", LONG);
    // Many transactions, so that a number of them alone would be smaller afterwards.
    for number in 0..50 {
        store.set("b", number.to_string(), None).await.unwrap();
    }
    let before = token(&store, &lease).await;
    server.restart_empty().await;
    let renewed = insist(async || store.renew_leases(&[lease.renewal()]).await.remove(0)).await;
    assert_eq!(renewed, Renewed::Gone, "it was lost, and is not made up");
    let next = LeaseRequest::exclusive("a", LONG);
    let later = token(&store, &next).await;
    assert!(later > before, "{later} follows {before}");
}

#[tokio::test]
async fn a_token_is_not_below_its_floor_although_the_server_has_lost_everything() {
    let server = ZookeeperServer::start().await;
    let store = connect(&server.url()).await;
    for number in 0..50 {
        store.set("b", number.to_string(), None).await.unwrap();
    }
    let before = token(&store, &LeaseRequest::exclusive("a", LONG)).await;
    server.restart_empty().await;
    insist(async || store.exists("b").await).await;
    let floor = before * 2;
    let lease = LeaseRequest::exclusive("a", LONG);
    let lease = lease.token_floor(FencingToken::new(floor));
    let held = token(&store, &lease).await;
    assert!(held >= floor, "{held} is below {floor}");
    assert!(store.release_lease(&lease.lease).await.unwrap());
    let later = token(&store, &LeaseRequest::exclusive("a", LONG)).await;
    assert!(later > held, "{later} follows {held}");
}

#[tokio::test]
async fn a_paused_server_makes_no_call_hang_and_nothing_is_done_twice() {
    let server = ZookeeperServer::start().await;
    let store = ZookeeperStore::builder()
        .response_timeout(Duration::from_secs(1))
        .connect(&server.url())
        .await
        .unwrap();
    let lease = LeaseRequest::exclusive("a", LONG);
    let put = PutRequest::new("b", "one");
    server.pause();
    let acquired = tokio::time::timeout(PATIENCE, store.acquire_lease(&lease)).await;
    let error = acquired.expect("it does not hang").unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown, "it was sent");
    let error = tokio::time::timeout(PATIENCE, store.put_record(&put)).await;
    let error = error.expect("it does not hang").unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");
    server.resume();
    let first = insist(async || store.acquire_lease(&lease).await).await;
    assert!(matches!(first, Acquired::Granted(_)), "{first:?}");
    assert_eq!(store.inspect_lease("a").await.unwrap().len(), 1);
    insist(async || store.put_record(&put).await).await;
    assert!(store.release_lease(&lease.lease).await.unwrap());
}

/// Those of one process take turns at a line.
#[tokio::test]
async fn a_paused_server_keeps_nobody_longer_for_those_before() {
    let server = ZookeeperServer::start().await;
    let store = ZookeeperStore::builder()
        .response_timeout(Duration::from_secs(1))
        .connect(&server.url())
        .await
        .unwrap();
    server.pause();
    let leases: Vec<_> = std::iter::repeat_with(|| LeaseRequest::exclusive("a", LONG))
        .take(100)
        .collect();
    let acquires = leases.iter().map(|lease| store.acquire_lease(lease));
    let refused = tokio::time::timeout(PATIENCE, join_all(acquires)).await;
    for answer in refused.expect("they do not hang") {
        answer.unwrap_err();
    }
}

/// What was on its way when the client gave up must not be done once somebody relies on what became of it.
#[tokio::test]
async fn one_who_gave_up_while_the_server_was_paused_does_not_get_in_late() {
    let server = ZookeeperServer::start().await;
    let store = ZookeeperStore::builder()
        .response_timeout(Duration::from_secs(1))
        .connect(&server.url())
        .await
        .unwrap();
    for _ in 0..3 {
        let lease = LeaseRequest::exclusive("a", LONG);
        server.pause();
        store.acquire_lease(&lease).await.unwrap_err();
        server.resume();
        insist(async || store.release_lease(&lease.lease).await).await;
        let next = LeaseRequest::exclusive("a", LONG);
        token(&store, &next).await;
        let line = store.inspect_lease("a").await.unwrap();
        assert_eq!(line.len(), 1, "{line:?}");
        assert!(store.release_lease(&next.lease).await.unwrap());
    }
}

#[tokio::test]
async fn another_server_is_used_when_one_is_away() {
    let server = ZookeeperServer::start().await;
    let away = ZookeeperServer::start().await;
    let port = away.addr().port();
    away.kill();
    let url = format!("zk://127.0.0.1:{port},127.0.0.1:{}", server.addr().port());
    for _ in 0..5 {
        connect(&url).await.set("a", "one", LONG).await.unwrap();
    }
}

/// What each of them has begun is dropped, and none has the time to find out that the server stands still.
#[tokio::test]
async fn a_still_server_is_left_also_by_callers_without_patience() {
    let server = ZookeeperServer::start().await;
    let (still, wire) = (Still::start().await, Wire::start(server.addr()));
    let store = ZookeeperStore::builder()
        .response_timeout(Duration::from_secs(4))
        .connect(&format!("zk://{},{}", still.addr(), wire.addr()))
        .await
        .unwrap();
    let is_asked = still.is_asked();
    wire.refuse(true);
    let ask = async || {
        let asked = tokio::time::timeout(Duration::from_millis(500), store.exists("a"));
        asked.await.ok()?.ok()
    };
    tokio::select! {
        () = is_asked => {}
        () = until("nothing", async || ask().await.and(None::<()>)) => {}
    }
    wire.refuse(false);
    assert!(!until("an answer", ask).await);
}
