//! Sessions that end, and connections that are cut, while somebody holds, waits or watches.

use std::time::Duration;

use coord::Coordinator;
use coord::store::{
    LeaseRequest, PutRequest, Renewed, Store, StoreExt, Wake, Watched, ZookeeperStore,
};
use coord_tests::{PATIENCE, Wire, ZookeeperServer, until};

use crate::{LONG, connect, coordinator, insist, token, until_in_line};

/// A client through a wire, with a session that does not last long.
async fn through(wire: &Wire) -> ZookeeperStore {
    ZookeeperStore::builder()
        .session_timeout(Duration::from_millis(500))
        .response_timeout(Duration::from_millis(500))
        .connect(&format!("zk://{}", wire.addr()))
        .await
        .expect("a server that accepts clients")
}

#[tokio::test]
async fn a_lease_outlives_its_holders_session() {
    let server = ZookeeperServer::start().await;
    let wire = Wire::start(server.addr());
    let (store, other) = (through(&wire).await, connect(&server.url()).await);
    let lease = LeaseRequest::exclusive("a", LONG);
    let held = token(&store, &lease).await;
    wire.refuse(true);
    server.until_expired(1).await;
    let line = other.inspect_lease("a").await.unwrap();
    assert_eq!(line[0].owner, lease.lease.owner, "its time is not up");
    wire.refuse(false);
    let renewed = insist(async || store.renew_leases(&[lease.renewal()]).await.remove(0)).await;
    assert_eq!(renewed, Renewed::Granted(coord::FencingToken::new(held)));
    assert!(store.release_lease(&lease.lease).await.unwrap());
    assert!(token(&other, &LeaseRequest::exclusive("a", LONG)).await > held);
}

#[tokio::test]
async fn a_lease_that_ends_while_its_holder_is_cut_off_is_lost_before_it_is_given_away() {
    let server = ZookeeperServer::start().await;
    let wire = Wire::start(server.addr());
    let cut_off = Coordinator::builder().store(through(&wire).await).build();
    let other = coordinator(&server.url()).await;
    let lease = cut_off.lock("a").ttl(Duration::from_secs(2)).acquire();
    let lease = lease.await.unwrap();
    wire.refuse(true);
    let next = other.lock("a").ttl(LONG).acquire();
    let (next, first) = tokio::join!(
        async {
            let next = next.await.unwrap();
            (next, tokio::time::Instant::now())
        },
        async {
            lease.lost().await;
            tokio::time::Instant::now()
        }
    );
    let (next, granted) = next;
    assert!(
        first <= granted,
        "it was still held when the next one got it"
    );
    assert!(next.token() > lease.token());
    wire.refuse(false);
    lease.release().await.unwrap_err();
    next.release().await.unwrap();
}

#[tokio::test]
async fn a_waiter_whose_session_has_ended_keeps_its_place() {
    let server = ZookeeperServer::start().await;
    let wire = Wire::start(server.addr());
    let store = through(&wire).await;
    let holding = coordinator(&server.url()).await;
    let lease = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    let waiting = Coordinator::builder().store(store).build();
    let waiter = tokio::spawn(async move { waiting.lock("a").ttl(LONG).acquire().await });
    until_in_line(&**holding.store(), 2).await;
    wire.refuse(true);
    server.until_expired(1).await;
    wire.refuse(false);
    let first = lease.token();
    lease.release().await.unwrap();
    let next = tokio::time::timeout(PATIENCE, waiter).await.unwrap();
    let next = next.unwrap().unwrap();
    assert!(next.token() > first);
    next.release().await.unwrap();
}

#[tokio::test]
async fn a_watch_is_woken_when_its_connection_is_cut_and_hears_again() {
    let server = ZookeeperServer::start().await;
    let wire = Wire::start(server.addr());
    let (store, other) = (through(&wire).await, connect(&server.url()).await);
    for watched in [
        Watched::Record("a".to_owned()),
        Watched::Log("a".to_owned()),
        Watched::Lease("a".to_owned()),
    ] {
        let mut watch = store.watch(&watched).await.unwrap();
        wire.cut();
        let woken = tokio::time::timeout(PATIENCE, watch.changed()).await;
        assert_eq!(woken, Ok(Wake::Look), "something may have been missed");
        // Whoever looks again makes the connection anew, and with it the watch.
        until("the store to answer again", async || {
            store.get("a").await.ok()
        })
        .await;
        // Until it is heard of; before that, it may be woken by having to look.
        let done = tokio::spawn({
            let (other, watched) = (other.clone(), watched.clone());
            async move {
                match watched {
                    Watched::Record(key) => {
                        other
                            .put_record(&PutRequest::new(key, "one"))
                            .await
                            .unwrap();
                    }
                    Watched::Log(log) => {
                        let append = coord::store::AppendRequest::new(log, 0, "one");
                        other.append_log(&append).await.unwrap();
                    }
                    _ => drop(token(&other, &LeaseRequest::exclusive("a", LONG)).await),
                }
            }
        });
        done.await.unwrap();
        let woken = tokio::time::timeout(PATIENCE, watch.changed()).await;
        assert_eq!(woken, Ok(Wake::Look), "{watched:?}");
    }
}

/// One who waits for nothing hears of nothing, and has nothing to send; the session must not end for that.
#[tokio::test]
async fn a_client_that_does_nothing_keeps_its_session() {
    let server = ZookeeperServer::start().await;
    let wire = Wire::start(server.addr());
    let store = through(&wire).await;
    let other = coordinator(&server.url()).await;
    // Longer than three sessions, by the server's clock.
    let lease = other
        .lock("a")
        .ttl(Duration::from_millis(1_600))
        .renew(false);
    let lease = lease.acquire().await.unwrap();
    drop(other.lock("a").acquire().await.unwrap());
    drop(lease);
    assert!(!server.log().contains("Expiring session"));
    store.set("a", "one", LONG).await.unwrap();
}
