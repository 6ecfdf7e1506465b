//! Servers that ask for a user.

use coord::StoreErrorKind;
use coord::store::{EtcdStore, LeaseRequest, PutRequest, Store, StoreExt, Watched};
use coord_tests::{EtcdServer, PATIENCE, Wire, until};
use futures_util::future::join_all;

use crate::{LONG, connect, refused, token};

/// A server that asks who one is.
async fn with_users(options: &[&str]) -> EtcdServer {
    let mut server = EtcdServer::builder().option("--bcrypt-cost=4");
    for option in options {
        server = server.option(*option);
    }
    let server = server.start().await;
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
    let server = with_users(&[]).await;
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
    // It forgets who one is after a second.
    let server = with_users(&["--auth-token-ttl=1"]).await;
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

/// One whose tokens say how often users and roles have been changed, and are worth nothing after the next change.
async fn with_dated_tokens() -> (EtcdServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hunter2").unwrap();
    let tokens = format!(
        "--auth-token=jwt,sign-method=HS256,priv-key={},ttl=1h",
        secret.display()
    );
    (with_users(&[&*tokens]).await, folder)
}

async fn add_user(server: &EtcdServer, name: &str) {
    let user = format!("{name}:hunter2");
    server
        .control(&["--user=root:root", "user", "add", &*user])
        .await;
}

#[tokio::test]
async fn nothing_is_refused_because_users_have_changed() {
    let (server, _folder) = with_dated_tokens().await;
    let url = format!("etcd://service:the%20right%20one@{}", server.addr());
    let store = connect(&url).await;
    let lease = LeaseRequest::exclusive("a", LONG);
    token(&store, &lease).await;
    for number in 0..3 {
        add_user(&server, &format!("user{number}")).await;
        // Many at once, of which one is the first to be given another token.
        let puts = (0..100).map(async |key| {
            let put = PutRequest::new(format!("{key}"), "one");
            store.put_record(&put).await
        });
        for put in join_all(puts).await {
            put.unwrap();
        }
        assert!(
            store
                .renew_leases(&[lease.renewal()])
                .await
                .remove(0)
                .is_ok()
        );
    }
    assert!(store.release_lease(&lease.lease).await.unwrap());
}

#[tokio::test]
async fn one_watches_on_although_users_have_changed() {
    let (server, _folder) = with_dated_tokens().await;
    let wire = Wire::start(server.addr());
    let url = format!("etcd://service:the%20right%20one@{}", wire.addr());
    let store = connect(&url).await;
    let mut first = store.watch(&Watched::Record("a".into())).await.unwrap();
    add_user(&server, "user").await;
    let before = wire.connections();
    let mut second = store.watch(&Watched::Record("b".into())).await.unwrap();
    assert_eq!(wire.connections(), before + 1, "one for the other token");
    for (watch, key) in [(&mut first, "a"), (&mut second, "b")] {
        store.set(key, "one", LONG).await.unwrap();
        let woken = tokio::time::timeout(PATIENCE, watch.changed()).await;
        woken.expect("to be woken");
    }
}

#[tokio::test]
async fn one_who_may_not_watch_is_told() {
    let server = with_users(&[]).await;
    let url = format!("etcd://service:the%20right%20one@{}", server.addr());
    let store: EtcdStore = connect(&url).await;
    let _first = store.watch(&Watched::Record("a".into())).await.unwrap();
    server
        .control(&[
            "--user=root:root",
            "role",
            "revoke-permission",
            "ours",
            "coord/",
            "--prefix=true",
        ])
        .await;
    let refused = store.watch(&Watched::Record("b".into())).await;
    assert_eq!(refused.err().unwrap().kind(), StoreErrorKind::Denied);
}
