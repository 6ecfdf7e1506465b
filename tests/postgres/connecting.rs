//! Connections that cannot be made, or on which nothing is answered any more.

use std::net::SocketAddr;
use std::time::Duration;

use coord::StoreErrorKind;
use coord::store::{LeaseRequest, PostgresStore, Renewed, Store, Watched};
use coord_tests::{PATIENCE, PostgresServer, Wire, until};
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::wakes::cut_listeners;
use crate::{LONG, connect, token};

/// How long an answer is waited for: longer than a busy machine takes for one, and less than anybody has patience.
const SHORT: Duration = Duration::from_secs(2);

/// A store behind a proxy.
pub(crate) async fn behind(
    server: &PostgresServer,
    response_timeout: Duration,
) -> (Wire, PostgresStore) {
    let wire = Wire::start(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let url = format!("postgres://postgres@{}/postgres", wire.addr());
    let builder = PostgresStore::builder().response_timeout(response_timeout);
    let store = builder.connect(&url).await.expect("a server that answers");
    (wire, store)
}

/// One after the other would take them longer than anybody has patience.
#[tokio::test]
async fn those_who_wait_for_a_connection_do_not_wait_for_each_other() {
    let server = PostgresServer::start().await;
    let store = connect(&server.url()).await;
    let mut beside = server.client().await;
    let locked = beside.transaction().await.unwrap();
    let lock = "LOCK TABLE coord.host IN ACCESS EXCLUSIVE MODE";
    locked.batch_execute(lock).await.unwrap();
    let asked = join_all((0..200).map(|_| store.get_record("a")));
    for answer in timeout(PATIENCE, asked).await.expect("answers in time") {
        let error = answer.expect_err("a connection needs the table");
        assert!(error.is_retryable(), "{error}");
    }
    locked.rollback().await.unwrap();
    store.get_record("a").await.unwrap();
}

#[tokio::test]
async fn a_renewal_does_not_wait_for_the_connection_that_hears() {
    let server = PostgresServer::start().await;
    let (wire, store) = behind(&server, LONG).await;
    let lease = LeaseRequest::exclusive("a", LONG);
    token(&store, &lease).await;
    let mut watch = store.watch(&Watched::Record("b".to_owned())).await.unwrap();
    wire.keep_next("attach");
    assert_eq!(cut_listeners(&server.client().await).await, 1);
    watch.changed().await;
    let renewing = store.renew_leases(&[lease.renewal()]).await.remove(0);
    assert!(matches!(renewing, Ok(Renewed::Granted(_))), "{renewing:?}");
    until("the connection to be asked for", async || {
        wire.keeps().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_one_who_wants_to_hear_is_told() {
    let server = PostgresServer::start().await;
    let (wire, store) = behind(&server, SHORT).await;
    wire.keep_next("LISTEN");
    let answer = timeout(PATIENCE, store.get_record("a")).await;
    let error = answer.expect("an answer in time").unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");
    assert!(wire.keeps());
    store.get_record("a").await.unwrap();
}

#[tokio::test]
async fn nothing_is_left_of_a_connection_on_which_nothing_is_answered() {
    let server = PostgresServer::start().await;
    let (wire, store) = behind(&server, SHORT).await;
    store.get_record("a").await.unwrap();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let lease = LeaseRequest::exclusive("a", LONG);
    wire.keep_next("lease_acquire");
    wire.cut();
    wire.keep_next("attach");
    until("the store to see that it is cut off", async || {
        store.acquire_lease(&lease).await.err()
    })
    .await;
    until("the store to be answered again", async || {
        store.acquire_lease(&lease).await.ok()?;
        store.get_record("a").await.ok()
    })
    .await;
    assert!(wire.keeps());
    until("what is not answered to be given up", async || {
        (tasks() <= before).then_some(())
    })
    .await;
}
