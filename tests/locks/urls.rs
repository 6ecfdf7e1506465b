//! Store URLs that cannot be used.

use coord::{Coordinator, Error, StoreErrorKind};
use coord_tests::{RedisServer, shared_redis};

const SECRET: &str = "hunter2-very-secret";

/// The error, after a look at all that it shows.
async fn refused(url: &str) -> Error {
    let error = Coordinator::connect(url)
        .await
        .expect_err("a URL that cannot be used");
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        shown = format!("{shown} {cause} {cause:?}");
        source = cause.source();
    }
    assert!(!shown.contains(SECRET), "the password is shown: {shown}");
    assert!(
        !shown.contains("hunter2"),
        "part of the password is shown: {shown}"
    );
    error
}

fn kind(error: &Error) -> StoreErrorKind {
    match error {
        Error::Store(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unknown_scheme_is_told_with_those_that_are_known() {
    for url in [
        "mysql://localhost",
        &format!("ftp://user:{SECRET}@localhost"),
        "hello:world",
    ] {
        let error = refused(url).await;
        assert!(matches!(error, Error::InvalidUrl { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("is unknown") && text.contains("`redis:`"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_malformed_url_is_told_with_the_form_to_write() {
    let urls = [
        String::new(),
        "localhost".to_owned(),
        "127.0.0.1:6379".to_owned(),
        "redis://".to_owned(),
        "redis:".to_owned(),
        format!("redis://:{SECRET}@"),
        format!("redis://user:{SECRET}@localhost:notaport"),
        format!("redis://user:{SECRET}@localhost:99999"),
        format!("redis://user:{SECRET}@localhost:6379/database"),
        format!("redis://user:{SECRET}@[::1"),
        format!("//user:{SECRET}@localhost"),
    ];
    for url in &urls {
        let error = refused(url).await;
        assert!(
            matches!(error, Error::InvalidUrl { .. }),
            "{url}: {error:?}"
        );
        let text = error.to_string();
        assert!(
            text.contains("redis://") || text.contains("`redis:`"),
            "{url}: {text}"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_is_denied_and_not_shown() {
    let server = RedisServer::builder()
        .password("the right one")
        .start()
        .await;
    let port = server.port();
    for url in [
        format!("redis://:{SECRET}@127.0.0.1:{port}"),
        format!("redis://user:{SECRET}@127.0.0.1:{port}"),
        format!("redis://127.0.0.1:{port}"),
    ] {
        let error = refused(&url).await;
        assert_eq!(kind(&error), StoreErrorKind::Denied);
        assert!(!error.is_retryable());
        assert!(
            error.to_string().contains("check them in the URL"),
            "{error}"
        );
    }
    Coordinator::connect(&server.url())
        .await
        .expect("the right password");
}

#[tokio::test]
async fn a_server_without_passwords_refuses_one() {
    let url = shared_redis()
        .await
        .replacen("redis://", &format!("redis://nobody:{SECRET}@"), 1);
    assert_eq!(kind(&refused(&url).await), StoreErrorKind::Denied);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let server = RedisServer::start().await;
    server.kill();
    let url = format!("redis://:{SECRET}@127.0.0.1:{}", server.port());
    let error = refused(&url).await;
    assert_eq!(kind(&error), StoreErrorKind::NotApplied);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("check host and port"), "{error}");
    let error = refused(&format!("redis://:{SECRET}@no-such-host.invalid")).await;
    assert_eq!(kind(&error), StoreErrorKind::NotApplied);
}

#[tokio::test]
async fn a_replica_is_no_server_for_locks() {
    let primary = RedisServer::start().await;
    let replica = RedisServer::builder().replica_of(&primary).start().await;
    replica.wait_until_replica_synced().await;
    let error = refused(&replica.url()).await;
    assert!(
        error.to_string().contains("connect to the primary"),
        "{error}"
    );
}

#[tokio::test]
async fn what_a_coordinator_shows_of_itself_has_no_password() {
    let server = RedisServer::builder().password(SECRET).start().await;
    let coord = Coordinator::connect(&server.url()).await.unwrap();
    let shown = format!("{coord:?} {:?} {:?}", coord.lock("a"), coord.election("a"));
    assert!(!shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn memory_is_a_store_of_its_own() {
    let one = Coordinator::connect("memory:").await.unwrap();
    let other = Coordinator::connect("memory:").await.unwrap();
    let _lease = one.lock("a").acquire().await.unwrap();
    assert!(other.lock("a").try_acquire().await.unwrap().is_some());
}
