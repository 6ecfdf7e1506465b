//! A server that refuses us: each error says why, what to do, and no password.

use coord::StoreErrorKind;
use coord::store::{PutRequest, Store, StoreExt};
use coord_tests::{PostgresServer, unique};

use crate::{LONG, connect, refused};

#[tokio::test]
async fn a_wrong_password_is_denied_and_not_shown() {
    let server = PostgresServer::builder().with_passwords().start().await;
    let beside = server.client().await;
    beside
        .batch_execute("CREATE ROLE service LOGIN SUPERUSER PASSWORD 'the right one'")
        .await
        .unwrap();
    for user in ["service:hunter2", "nobody:hunter2", "service"] {
        let error = refused(&server.url_of(user)).await;
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{user}: {error}");
        assert!(error.to_string().contains("URL"), "{error}");
    }
    connect(&server.url_of("service:the%20right%20one")).await;
}

#[tokio::test]
async fn a_database_that_is_missing_is_told() {
    let server = PostgresServer::start().await;
    let error = refused(&format!("{}_missing", server.url())).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(
        error.to_string().contains("no database of this name"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let server = PostgresServer::start().await;
    server.stop().await;
    for url in [
        server.url_of("user:hunter2"),
        "postgres://user:hunter2@no-such-host.invalid/db".to_owned(),
    ] {
        let error = refused(&url).await;
        assert_eq!(error.kind(), StoreErrorKind::NotApplied);
        assert!(error.to_string().contains("check host and port"), "{error}");
    }
}

#[tokio::test]
async fn a_server_with_no_connection_left_is_told_and_waited_for() {
    let server = PostgresServer::start().await;
    connect(&server.url()).await;
    let beside = server.client().await;
    beside
        .batch_execute(
            "CREATE ROLE narrow LOGIN SUPERUSER; ALTER DATABASE postgres CONNECTION LIMIT 2",
        )
        .await
        .unwrap();
    beside
        .batch_execute(
            "ALTER ROLE narrow NOSUPERUSER CONNECTION LIMIT 1; GRANT USAGE ON SCHEMA coord TO narrow;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA coord TO narrow;
             GRANT SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA coord TO narrow;
             ALTER DATABASE postgres CONNECTION LIMIT -1",
        )
        .await
        .unwrap();
    let url = server.url_of("narrow");
    let first = connect(&url).await;
    let error = refused(&url).await;
    assert_eq!(error.kind(), StoreErrorKind::NotApplied);
    assert!(error.to_string().contains("max_connections"), "{error}");
    first.set("a", "one", crate::LONG).await.unwrap();
}

/// Whoever has no right to create uses what is there, and nothing more than what the documentation grants.
#[tokio::test]
async fn a_role_that_may_not_create_uses_what_is_there() {
    let server = PostgresServer::start().await;
    let beside = server.client().await;
    beside
        .batch_execute("CREATE ROLE service LOGIN")
        .await
        .unwrap();
    let error = refused(&server.url_of("service")).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(
        error.to_string().contains("connect once with one that may"),
        "{error}"
    );

    connect(&server.url()).await;
    let error = refused(&server.url_of("service")).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    beside
        .batch_execute(
            "GRANT USAGE ON SCHEMA coord TO service;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA coord TO service;
             GRANT SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA coord TO service;",
        )
        .await
        .unwrap();
    let coord = crate::coordinator(&server.url_of("service")).await;
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    let other = crate::coordinator(&server.url()).await;
    assert!(other.lock("a").try_acquire().await.unwrap().is_none());
    lease.release().await.unwrap();
    coord.store().set("a", "one", crate::LONG).await.unwrap();
}

/// Its own writes fail, and those of others that went along do not.
#[tokio::test]
async fn an_open_transaction_of_somebody_elses_holds_up_only_what_it_has_written() {
    let server = PostgresServer::start().await;
    let store = connect(&server.url()).await;
    let mut client = server.client().await;
    let coord = coord::Coordinator::builder().store(store.clone()).build();
    let mut tx = client.transaction().await.unwrap();
    coord
        .idempotency("a")
        .run_in(&mut tx, async |_| Ok::<_, coord::Error>(1))
        .await
        .unwrap();

    let mut puts: Vec<_> = (0..20)
        .map(|_| PutRequest::new(unique("free"), "one"))
        .collect();
    puts.push(PutRequest::new("coord/idempotency/a", "one"));
    let answers: Vec<_> = puts
        .into_iter()
        .map(|put| {
            let store = store.clone();
            tokio::spawn(async move { store.put_record(&put).await })
        })
        .collect();
    let mut refused = 0;
    for answer in answers {
        if let Err(error) = answer.await.unwrap() {
            assert_eq!(error.kind(), StoreErrorKind::NotApplied);
            assert!(error.to_string().contains("still open"), "{error}");
            refused += 1;
        }
    }
    assert_eq!(refused, 1);
    tx.rollback().await.unwrap();
    store
        .set("coord/idempotency/a", "one", crate::LONG)
        .await
        .unwrap();
}
