//! Requests that arrive late, or are done in part, or by one server while another refuses them.

use std::time::Duration;

use coord::StoreErrorKind;
use coord::store::{
    EtcdStore, FencingToken, LeaseRequest, PutRequest, Renewal, Renewed, Store, StoreExt,
};
use coord_tests::{EtcdServer, Wire, until};
use futures_util::future::join_all;

use crate::{LONG, connect, token};

/// A ttl that ends only after the test, and before the other one.
const SHORTER: Duration = Duration::from_secs(120);

/// One that asks over the wire first, and then another server.
async fn over(wire: &Wire, next: &EtcdServer) -> EtcdStore {
    let url = format!("etcd://{},{}", wire.addr(), next.addr());
    until("one that begins at the wire", async || {
        let before = wire.requests();
        let connecting = EtcdStore::builder().response_timeout(Duration::from_secs(2));
        let store = connecting.connect(&url).await.ok()?;
        (wire.requests() > before).then_some(store)
    })
    .await
}

#[tokio::test]
async fn a_renewal_that_comes_late_does_not_shorten_the_one_after_it() {
    let server = EtcdServer::start().await;
    let wire = Wire::start(server.addr());
    let store = over(&wire, &server).await;
    let lease = LeaseRequest::exclusive("a", LONG);
    let held = token(&store, &lease).await;
    // The server's lease for this ttl is there from now on, so the renewal is what is sent next.
    let put = PutRequest::new("b", "one").ttl(SHORTER);
    store.put_record(&put).await.unwrap();
    let renew = async |ttl| {
        let lease = lease.lease.clone();
        let renewal = Renewal {
            lease,
            ttl,
            wait_ttl: ttl,
        };
        let renewed = store.renew_leases(&[renewal]).await.remove(0).unwrap();
        assert!(matches!(renewed, Renewed::Granted(token) if u64::from(token) == held));
    };
    wire.keep_next("coord/lines/0001/a/");
    renew(SHORTER).await;
    assert!(wire.keeps(), "it was answered without the wire");
    renew(LONG).await;
    let before = server.calls().await;
    wire.let_go();
    until("the late one to be done", async || {
        (server.calls().await > before).then_some(())
    })
    .await;
    let line = store.inspect_lease("a").await.unwrap();
    assert!(line[0].expires_in > SHORTER, "{line:?}");
}

#[tokio::test]
async fn what_one_server_refuses_may_have_been_done_by_another() {
    let server = EtcdServer::start().await;
    let wire = Wire::start(server.addr());
    let refuses = EtcdServer::start().await;
    let store = over(&wire, &refuses).await;
    refuses.control(&["user", "add", "root:root"]).await;
    refuses
        .control(&["user", "grant-role", "root", "root"])
        .await;
    refuses.control(&["auth", "enable"]).await;
    // What it needs from etcd is there from now on.
    store.set("b", "one", LONG).await.unwrap();
    wire.keep_next("coord/records/a");
    let put = PutRequest::new("a", "one").ttl(LONG);
    let error = store.put_record(&put).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown, "{error}");
    wire.let_go();
    let other = connect(&server.url()).await;
    until("it to be done", async || {
        other.exists("a").await.unwrap().then_some(())
    })
    .await;
}

/// Those behind it have to be given later tokens too, and that is not done for so many.
#[tokio::test]
async fn one_who_is_in_line_is_not_told_that_nothing_was_done() {
    let server = EtcdServer::start().await;
    let store = connect(&server.url()).await;
    let held = token(&store, &LeaseRequest::exclusive("a", LONG)).await;
    let waiting = || LeaseRequest::exclusive("a", LONG).queue(LONG);
    let second = waiting();
    store.acquire_lease(&second).await.unwrap();
    let behind = (0..120).map(async |_| store.acquire_lease(&waiting()).await);
    for waits in join_all(behind).await {
        waits.unwrap();
    }
    let later = second.clone().token_floor(FencingToken::new(held * 2));
    let error = store.acquire_lease(&later).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unknown, "{error}");
    assert!(store.release_lease(&second.lease).await.unwrap());
}

/// It comes into the line after that was looked at, and before the others are given later tokens.
#[tokio::test]
async fn one_who_comes_while_tokens_are_raised_gets_a_later_one() {
    let server = EtcdServer::start().await;
    let wire = Wire::start(server.addr());
    let (store, other) = (over(&wire, &server).await, connect(&server.url()).await);
    let lease = LeaseRequest::exclusive("a", LONG);
    let held = token(&store, &lease).await;
    // What both need from etcd is there from now on.
    store.set("b", "one", LONG).await.unwrap();
    token(&other, &LeaseRequest::exclusive("b", LONG)).await;
    wire.keep_next("/raised/");
    let floor = FencingToken::new(held * 2);
    let later = lease.clone().token_floor(floor);
    let waits = LeaseRequest::exclusive("a", LONG).queue(LONG);
    let (raised, waits) = tokio::join!(token(&store, &later), async {
        until("it to be on its way", async || wire.keeps().then_some(())).await;
        other.acquire_lease(&waits).await.unwrap()
    });
    assert!(raised >= held * 2);
    drop(waits);
    let line = store.inspect_lease("a").await.unwrap();
    assert_eq!(line.len(), 2);
    assert!(line[0].token < line[1].token, "{line:?}");
}
