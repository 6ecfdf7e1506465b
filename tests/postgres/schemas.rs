//! The schema: made by many at once, used by those who may not make one, and refused if it is not known.

use coord::store::{PostgresStore, StoreExt};
use coord::{Error, StoreErrorKind};
use coord_tests::{PostgresServer, Worker, shared_postgres, unique};

use crate::{connect, refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_connect_at_once_make_one_schema() {
    let url = shared_postgres().await;
    let schema = unique("many").replace([':', '/'], "_");
    let connecting: Vec<_> = (0..8)
        .map(|_| {
            let (url, schema) = (url.clone(), schema.clone());
            tokio::spawn(async move { PostgresStore::builder().schema(schema).connect(&url).await })
        })
        .collect();
    let mut stores = Vec::new();
    for store in connecting {
        stores.push(
            store
                .await
                .unwrap()
                .expect("a schema that is made or found"),
        );
    }
    stores[0].set("a", "one", crate::LONG).await.unwrap();
    for store in &stores {
        assert!(store.exists("a").await.unwrap(), "they share it");
    }
}

/// Whoever has waited for another one to make it has to see it then.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_with_a_stricter_isolation_make_one_schema() {
    let server = PostgresServer::start().await;
    let beside = server.client().await;
    let strict = "ALTER DATABASE postgres SET default_transaction_isolation = 'repeatable read'";
    beside.batch_execute(strict).await.unwrap();
    let connecting: Vec<_> = (0..8)
        .map(|_| {
            let url = server.url();
            tokio::spawn(async move { PostgresStore::connect(&url).await })
        })
        .collect();
    for store in connecting {
        store
            .await
            .unwrap()
            .expect("a schema that is made or found");
    }
}

#[tokio::test]
async fn many_processes_that_connect_at_once_make_one_schema() {
    let server = PostgresServer::start().await;
    let mut workers: Vec<_> = (0..4)
        .map(|number| {
            let arguments = [server.url(), format!("schema/{number}")];
            Worker::spawn(env!("CARGO_BIN_EXE_store_worker"), arguments)
        })
        .collect();
    for worker in &mut workers {
        worker.next_line().await.expect("it works");
    }
}

#[tokio::test]
async fn schemas_are_apart() {
    let url = shared_postgres().await;
    let name = unique("Two apart").replace([':', '/'], "_");
    let one = connect(&url).await;
    let other = PostgresStore::builder()
        .schema(&*name)
        .connect(&url)
        .await
        .unwrap();
    let key = unique("a");
    one.set(&key, "one", crate::LONG).await.unwrap();
    assert!(!other.exists(&key).await.unwrap());
    assert!(
        one.try_set(&key, "two", crate::LONG)
            .await
            .is_ok_and(|set| !set)
    );
    assert!(other.try_set(&key, "two", crate::LONG).await.unwrap());
}

#[tokio::test]
async fn a_name_that_cannot_be_one_is_refused() {
    let url = shared_postgres().await;
    for name in ["", "a\"; DROP SCHEMA coord; --", "a'b", &"long".repeat(20)] {
        let error = PostgresStore::builder()
            .schema(name)
            .connect(&url)
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::InvalidOption { .. }),
            "{name}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let server = PostgresServer::start().await;
    connect(&server.url()).await;
    let beside = server.client().await;
    beside
        .batch_execute("UPDATE coord.host SET version = 99")
        .await
        .unwrap();
    let error = refused(&server.url()).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("version 99"), "{error}");
    let version = beside
        .query_one("SELECT version FROM coord.host", &[])
        .await
        .unwrap();
    assert_eq!(version.get::<_, i32>(0), 99);
}

#[tokio::test]
async fn a_schema_of_another_program_is_refused_and_left_alone() {
    let server = PostgresServer::start().await;
    let beside = server.client().await;
    beside
        .batch_execute("CREATE SCHEMA coord; CREATE TABLE coord.record (mine integer)")
        .await
        .unwrap();
    let error = refused(&server.url()).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("another program"), "{error}");
    let tables = beside
        .query_one(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'coord'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(tables.get::<_, i64>(0), 1);
}

/// The role's own settings are not those that the store works with.
#[tokio::test]
async fn settings_of_the_role_change_nothing() {
    let server = PostgresServer::start().await;
    connect(&server.url()).await;
    let beside = server.client().await;
    beside
        .batch_execute(
            "CREATE ROLE strange LOGIN SUPERUSER;
             ALTER ROLE strange SET default_transaction_isolation = 'serializable';
             ALTER ROLE strange SET search_path = nowhere;
             ALTER ROLE strange SET synchronous_commit = off",
        )
        .await
        .unwrap();
    let database = "ALTER DATABASE postgres SET default_transaction_isolation = 'repeatable read'";
    beside.batch_execute(database).await.unwrap();
    for user in ["strange", "postgres"] {
        let coord = crate::coordinator(&server.url_of(user)).await;
        let lease = coord.lock("a").acquire().await.unwrap();
        lease.release().await.unwrap();
    }
}
