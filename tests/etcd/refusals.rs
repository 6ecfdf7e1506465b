//! URLs and servers that refuse us: each error says why, what to do, and no password.

use coord::store::{EtcdStore, LeaseRequest, Store, StoreExt};
use coord::{Coordinator, Error, StoreErrorKind};
use coord_tests::{EtcdServer, shared_etcd, unique, until};

use crate::{LONG, connect, refused, token};

const SECRET: &str = "hunter2-very-secret";

#[tokio::test]
async fn a_malformed_url_is_told_with_the_form_to_write() {
    let urls = [
        "etcd:".to_owned(),
        "etcd://".to_owned(),
        "etcd://one,,two".to_owned(),
        "etcd://one:notaport".to_owned(),
        "etcd://user@host".to_owned(),
        format!("etcd://user:{SECRET}@"),
        format!("etcd://user:{SECRET}@[::1"),
        format!("etcd://user:{SECRET}%2@host"),
        format!("etcd://user:{SECRET}@host?nonsense={SECRET}"),
        format!("etcd://user:{SECRET}@host?sslrootcert={SECRET}"),
    ];
    for url in &urls {
        let error = Coordinator::connect(url).await.unwrap_err();
        assert!(
            matches!(error, Error::InvalidUrl { .. }),
            "{url}: {error:?}"
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let server = EtcdServer::start().await;
    server.kill();
    for url in [
        format!("etcd://user:{SECRET}@{}", server.addr()),
        format!("etcd://user:{SECRET}@no-such-host.invalid"),
    ] {
        let error = refused(&url).await;
        assert_eq!(error.kind(), StoreErrorKind::NotApplied);
        assert!(
            error.to_string().contains("check hosts and ports"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn each_prefix_is_a_world_of_its_own() {
    let url = shared_etcd().await;
    let prefix = unique("prefix");
    let one = connect(&format!("{url}/{prefix}/one")).await;
    let two = connect(&format!("{url}/{prefix}/tw%6f/")).await;
    one.set("a", "one", LONG).await.unwrap();
    assert!(!two.exists("a").await.unwrap());
    two.set("a", "two", LONG).await.unwrap();
    assert_eq!(one.get("a").await.unwrap().unwrap(), "one");
}

/// A server that asks who one is, and forgets it after a second.
async fn with_users() -> EtcdServer {
    let server = EtcdServer::builder()
        .option("--auth-token-ttl=1")
        .start()
        .await;
    for arguments in [
        &["user", "add", "root:root"][..],
        &["user", "grant-role", "root", "root"],
        &["role", "add", "ours"],
        &[
            "role",
            "grant-permission",
            "ours",
            "readwrite",
            "coord/",
            "--prefix=true",
        ],
        &["user", "add", "service:the right one"],
        &["user", "grant-role", "service", "ours"],
        &["user", "add", "nobody:hunter2"],
        &["auth", "enable"],
    ] {
        server.control(arguments).await;
    }
    server
}

#[tokio::test]
async fn a_user_has_what_the_server_grants_it() {
    let server = with_users().await;
    let of = |user: &str| format!("etcd://{user}{}", server.addr());
    let store = connect(&of("service:the%20right%20one@")).await;
    store.set("a", "one", LONG).await.unwrap();
    token(&store, &LeaseRequest::exclusive("a", LONG)).await;
    for user in [
        "service:hunter2@",
        "unknown:hunter2@",
        "nobody:hunter2@",
        "",
    ] {
        let error = refused(&of(user)).await;
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{user}: {error}");
    }
    let url = format!("{}/elsewhere", of("service:the%20right%20one@"));
    let error = refused(&url).await;
    assert!(error.to_string().contains("prefix"), "{error}");
    let shown = format!("{store:?}");
    assert!(!shown.contains("right one"), "{shown}");
}

#[tokio::test]
async fn a_token_that_the_server_has_forgotten_is_asked_for_again() {
    let server = with_users().await;
    let url = format!("etcd://service:the%20right%20one@{}", server.addr());
    let store: EtcdStore = connect(&url).await;
    store.set("a", "one", LONG).await.unwrap();
    server.restart().await;
    let there = until("an answer", async || match store.get("a").await {
        Ok(there) => Some(there),
        Err(error) => {
            assert!(error.is_retryable(), "{error}");
            None
        }
    })
    .await;
    assert_eq!(there.unwrap(), "one");
    assert_eq!(store.inspect_lease("a").await.unwrap(), []);
}
