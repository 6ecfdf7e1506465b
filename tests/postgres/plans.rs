//! How the server finds what is asked for.

use coord::store::{AppendRequest, LeaseRequest, ListRequest, PostgresStore, Store, StoreExt};
use coord_tests::{PostgresServer, until};

use crate::{LONG, connect, token};

async fn work(store: &PostgresStore, round: u64) {
    let lease = LeaseRequest::exclusive("a", LONG);
    token(store, &lease).await;
    store
        .renew_leases(&[lease.renewal()])
        .await
        .remove(0)
        .unwrap();
    store.release_lease(&lease.lease).await.unwrap();
    store.set("a/1", "one", LONG).await.unwrap();
    store.get("a/1").await.unwrap();
    let listed = store.list_records(&ListRequest::new("a/")).await.unwrap();
    assert_eq!(listed.entries.len(), 1);
    let append = AppendRequest::new("log", round, "entry");
    store.append_log(&append).await.unwrap();
    store.read_log("log", round, 1).await.unwrap();
}

/// Plans are kept that were made when there were few rows, and nobody has counted since.
#[tokio::test]
async fn many_rows_are_not_read_through() {
    let server = PostgresServer::builder().line("autovacuum = off");
    let server = server.start().await;
    let beside = server.client().await;
    let store = connect(&server.url()).await;
    work(&store, 0).await;
    beside.batch_execute("VACUUM ANALYZE").await.unwrap();
    for round in 1..20 {
        work(&store, round).await;
    }
    let many = "INSERT INTO coord.record SELECT convert_to('z/' || n, 'UTF8'), NULL, '', '', '' FROM generate_series(1, 50000) n;
        INSERT INTO coord.contender SELECT convert_to('z/' || n, 'UTF8'), 'z', 2, 0, 0, 0, 9000000000000000, '', NULL FROM generate_series(1, 50000) n;
        INSERT INTO coord.log_entry SELECT 'z', n, '', '' FROM generate_series(1, 50000) n";
    beside.batch_execute(many).await.unwrap();
    work(&store, 20).await;
    drop(store);
    until(
        "its sessions to end, and to tell what they have read",
        async || {
            let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coord'";
            let sessions = beside.query_one(sessions, &[]).await.unwrap();
            (sessions.get::<_, i64>(0) == 0).then_some(())
        },
    )
    .await;
    let read = "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = 'coord')::bigint,
        (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = 'coord')::bigint";
    let read = beside.query_one(read, &[]).await.unwrap();
    let (through, by_index): (i64, i64) = (read.get(0), read.get(1));
    assert!(through < 10_000, "{through} rows were read through");
    assert!(
        by_index < 10_000,
        "{by_index} rows were read by their indexes"
    );
}
