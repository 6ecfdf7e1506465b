//! Wake-ups, while the connection that hears them breaks.

use std::time::Duration;

use coord::store::{PutRequest, Store, StoreExt, Wake, Watched};
use coord_tests::{PATIENCE, PostgresServer, Worker, until};
use tokio_postgres::Client;

use crate::{LONG, connect, coordinator};

/// Ends the sessions that listen, and returns how many there were.
pub(crate) async fn cut_listeners(beside: &Client) -> usize {
    let cut = beside
        .query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE query LIKE '%.watch(%' AND pid <> pg_backend_pid()",
            &[],
        )
        .await;
    cut.expect("sessions that can be ended").len()
}

async fn until_in_line(store: &dyn Store, count: usize) {
    until("the line to be of that length", async || {
        let line = store.inspect_lease("coord/lock/a").await.expect("a line");
        (line.len() == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_waiter_whose_connection_is_cut_is_granted() {
    let server = PostgresServer::start().await;
    let (holding, waiting) = (
        coordinator(&server.url()).await,
        coordinator(&server.url()).await,
    );
    let beside = server.client().await;
    let look = connect(&server.url()).await;
    let lease = holding.lock("a").ttl(LONG).acquire().await.unwrap();
    let waiter = tokio::spawn(async move { waiting.lock("a").ttl(LONG).acquire().await });
    until_in_line(&look, 2).await;
    let first = u64::from(lease.token());
    beside
        .query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'", &[])
        .await
        .unwrap();
    lease.release().await.unwrap();
    let lease = tokio::time::timeout(PATIENCE, waiter)
        .await
        .expect("it is granted")
        .unwrap()
        .unwrap();
    assert!(u64::from(lease.token()) > first);
    lease.release().await.unwrap();
}

#[tokio::test]
async fn a_watch_is_woken_when_its_connection_is_cut_and_hears_again() {
    let server = PostgresServer::start().await;
    let (store, other) = (connect(&server.url()).await, connect(&server.url()).await);
    let beside = server.client().await;
    let mut watch = store.watch(&Watched::Record("a".to_owned())).await.unwrap();
    assert_eq!(cut_listeners(&beside).await, 1);
    let woken = tokio::time::timeout(PATIENCE, watch.changed()).await;
    assert_eq!(woken, Ok(Wake::Look), "something may have been missed");
    // Whoever looks again makes the connection anew, and with it the watch.
    until("the store to answer again", async || {
        store.get("a").await.ok()
    })
    .await;
    assert_eq!(
        tokio::time::timeout(PATIENCE, watch.changed()).await,
        Ok(Wake::Look)
    );
    other
        .put_record(&PutRequest::new("a", "one"))
        .await
        .unwrap();
    assert_eq!(
        tokio::time::timeout(PATIENCE, watch.changed()).await,
        Ok(Wake::Look)
    );
}

/// As many waiters as there like, and one connection that hears.
#[tokio::test]
async fn waiters_hold_no_connections() {
    let server = PostgresServer::start().await;
    let coord = coordinator(&server.url()).await;
    let beside = server.client().await;
    let look = connect(&server.url()).await;
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    let waiters: Vec<_> = (0..50)
        .map(|_| {
            let coord = coord.clone();
            tokio::spawn(async move {
                coord
                    .lock("a")
                    .ttl(LONG)
                    .acquire()
                    .await
                    .unwrap()
                    .release()
                    .await
            })
        })
        .collect();
    until_in_line(&look, 51).await;
    let sessions = beside
        .query_one(
            "SELECT count(*) FROM pg_stat_activity
             WHERE application_name = 'coord' AND backend_type = 'client backend'",
            &[],
        )
        .await
        .unwrap();
    let sessions: i64 = sessions.get(0);
    assert!(sessions <= 7, "{sessions} sessions of two stores");
    until("no lock to outlive its transaction", async || {
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
        let held = beside.query_one(held, &[]).await.unwrap();
        (held.get::<_, i64>(0) == 0).then_some(())
    })
    .await;
    lease.release().await.unwrap();
    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_killed_holder_is_followed_by_the_next() {
    let server = PostgresServer::start().await;
    let url = server.url();
    let mut worker = Worker::spawn(env!("CARGO_BIN_EXE_lock_worker"), [&*url, "coord", "600"]);
    worker.expect_line("ready").await;
    worker.send_line("acquire a");
    let earlier: u64 = worker.expect_line("held ").await.parse().unwrap();
    let coord = coordinator(&url).await;
    let next = tokio::spawn({
        let coord = coord.clone();
        async move { coord.lock("a").ttl(Duration::from_secs(60)).acquire().await }
    });
    until_in_line(&**coord.store(), 2).await;
    worker.kill();
    let lease = next.await.unwrap().unwrap();
    assert!(u64::from(lease.token()) > earlier);
    lease.release().await.unwrap();
}
