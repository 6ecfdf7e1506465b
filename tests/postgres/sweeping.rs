//! What has expired makes room.

use std::time::Duration;

use coord::store::{Append, AppendRequest, LeaseRequest, PostgresStore, PutRequest, Store};
use coord_tests::{PostgresServer, until};
use tokio_postgres::Client;

use crate::token;

const SHORT: Duration = Duration::from_millis(1);

pub(crate) async fn rows(beside: &Client, table: &str) -> i64 {
    let count = beside
        .query_one(&format!("SELECT count(*) FROM coord.{table}"), &[])
        .await;
    count.expect("a count").get(0)
}

#[tokio::test]
async fn what_has_expired_is_swept_out_and_what_has_not_stays() {
    let server = PostgresServer::start().await;
    let builder = PostgresStore::builder().sweep_every(Duration::from_millis(50));
    let store = builder.connect(&server.url()).await.unwrap();
    let beside = server.client().await;
    for number in 0..20 {
        let put = PutRequest::new(format!("gone/{number}"), "one").ttl(SHORT);
        store.put_record(&put).await.unwrap();
        let lease = LeaseRequest::exclusive(format!("gone/{number}"), SHORT);
        token(&store, &lease).await;
        let log = format!("gone/{number}");
        let append = AppendRequest::new(&*log, 0, "entry");
        assert_eq!(store.append_log(&append).await.unwrap(), Append::Appended);
        store.expire_log(&log, SHORT).await.unwrap();
    }
    store
        .put_record(&PutRequest::new("stays", "one"))
        .await
        .unwrap();
    token(&store, &LeaseRequest::exclusive("stays", crate::LONG)).await;
    let append = AppendRequest::new("stays", 0, "entry");
    store.append_log(&append).await.unwrap();
    for (table, stay) in [
        ("record", 1),
        ("contender", 1),
        ("log_entry", 1),
        ("log_end", 0),
    ] {
        until(&format!("{table} to be swept"), async || {
            (rows(&beside, table).await == stay).then_some(())
        })
        .await;
    }
}

/// As many as there are, and not as many as fit into one look.
#[tokio::test]
async fn logs_that_have_expired_do_not_pile_up() {
    let server = PostgresServer::start().await;
    let beside = server.client().await;
    drop(PostgresStore::connect(&server.url()).await.unwrap());
    let expired = "INSERT INTO coord.log_end SELECT convert_to(number::text, 'UTF8'), 0
                       FROM generate_series(1, 5000) number;
                   INSERT INTO coord.log_entry SELECT log, 0, '', '' FROM coord.log_end";
    beside.batch_execute(expired).await.unwrap();
    let builder = PostgresStore::builder().sweep_every(Duration::from_secs(2));
    let _store = builder.connect(&server.url()).await.unwrap();
    for table in ["log_end", "log_entry"] {
        until(&format!("{table} to be swept"), async || {
            (rows(&beside, table).await == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn nothing_is_swept_once_the_store_is_dropped() {
    let server = PostgresServer::start().await;
    let builder = PostgresStore::builder().sweep_every(Duration::from_millis(50));
    drop(builder.connect(&server.url()).await.unwrap());
    let beside = server.client().await;
    until("its sessions to end", async || {
        let sessions = beside
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coord'",
                &[],
            )
            .await
            .expect("a count");
        (sessions.get::<_, i64>(0) == 0).then_some(())
    })
    .await;
}
