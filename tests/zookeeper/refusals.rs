//! URLs and servers that refuse us: each error says why, what to do, and no password.

use coord::store::{Acquired, LeaseRequest, Renewed, Store, StoreExt};
use coord::{Coordinator, Error, StoreErrorKind};
use coord_tests::{ZookeeperServer, shared_zookeeper, unique};

use crate::{LONG, connect, refused, token};

const SECRET: &str = "hunter2-very-secret";

#[tokio::test]
async fn a_malformed_url_is_told_with_the_form_to_write() {
    let urls = [
        "zk:".to_owned(),
        "zk://".to_owned(),
        "zk://one,,two".to_owned(),
        "zk://one:notaport".to_owned(),
        "zk://user@host".to_owned(),
        format!("zk://user:{SECRET}@"),
        format!("zk://user:{SECRET}@[::1"),
        format!("zk://:{SECRET}@host"),
        format!("zk://user:{SECRET}%2@host"),
        format!("zk://user:{SECRET}@host/a//b"),
        format!("zk://user:{SECRET}@host/zookeeper/quota"),
        format!("zk://user:{SECRET}@host?nonsense={SECRET}"),
        format!("zk://user:{SECRET}@host?sslrootcert={SECRET}"),
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
    let server = ZookeeperServer::start().await;
    server.kill();
    for url in [
        format!("zk://user:{SECRET}@127.0.0.1:{}", server.addr().port()),
        format!("zk://user:{SECRET}@no-such-host.invalid"),
    ] {
        let error = refused(&url).await;
        assert_eq!(error.kind(), StoreErrorKind::NotApplied);
        assert!(
            error.to_string().contains("check hosts and ports"),
            "{error}"
        );
    }
}

/// Digest authentication refuses nobody; what others have created does.
#[tokio::test]
async fn what_a_user_has_created_is_nobody_elses() {
    let url = shared_zookeeper().await;
    let folder = unique("of-a-user").replace('/', "-");
    let address = url.trim_start_matches("zk://");
    let of = |user: &str| format!("zk://{user}{address}/{folder}");
    let store = connect(&of("service:the%20right%20one@")).await;
    store.set("a", "one", LONG).await.unwrap();
    let held = token(&store, &LeaseRequest::exclusive("a", LONG)).await;

    for user in ["service:hunter2@", "nobody:hunter2@", ""] {
        let error = refused(&of(user)).await;
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{user}: {error}");
        assert!(error.to_string().contains("user and password"), "{error}");
    }
    let again = connect(&of("service:the%20right%20one@")).await;
    assert_eq!(again.get("a").await.unwrap().unwrap(), "one");
    let line = again.inspect_lease("a").await.unwrap();
    assert_eq!(u64::from(line[0].token), held);
    let shown = format!("{again:?}");
    assert!(!shown.contains("right one"), "{shown}");
}

#[tokio::test]
async fn each_folder_is_a_world_of_its_own() {
    let url = shared_zookeeper().await;
    let folder = unique("folder").replace('/', "-");
    let one = connect(&format!("{url}/{folder}/one")).await;
    let two = connect(&format!("{url}/{folder}/tw%6f/")).await;
    one.set("a", "one", LONG).await.unwrap();
    assert!(!two.exists("a").await.unwrap());
    let two = connect(&format!("{url}/{folder}/two")).await;
    two.set("a", "two", LONG).await.unwrap();
    assert_eq!(one.get("a").await.unwrap().unwrap(), "one");
}

/// A node has a size, and the server closes the connection of whoever sends a larger one.
#[tokio::test]
async fn a_line_that_is_full_refuses_whoever_comes() {
    let server = ZookeeperServer::start().await;
    let store = connect(&server.url()).await;
    let long = || LeaseRequest::exclusive("a", LONG).label("x".repeat(200_000));
    let holder = long();
    token(&store, &holder).await;
    for _ in 0..2 {
        let waits = store.acquire_lease(&long().queue(LONG)).await.unwrap();
        assert!(matches!(waits, Acquired::Waiting { .. }), "{waits:?}");
    }
    let full = store.acquire_lease(&long().queue(LONG)).await.unwrap_err();
    assert!(full.to_string().contains("no room"), "{full}");
    let renewed = store.renew_leases(&[holder.renewal()]).await.remove(0);
    assert!(matches!(renewed, Ok(Renewed::Granted(_))), "{renewed:?}");
}

/// What is known of the last one only later makes the line longer than one that is entered may be.
#[tokio::test]
async fn one_who_is_in_a_line_that_is_full_is_told_so() {
    let server = ZookeeperServer::start().await;
    let store = connect(&server.url()).await;
    let holder = LeaseRequest::exclusive("a", LONG);
    token(&store, &holder).await;
    let (mut enters, mut is_refused) = (0, 1_000_000);
    while enters + 1 < is_refused {
        let length = usize::midpoint(enters, is_refused);
        let waits = LeaseRequest::exclusive("a", LONG).queue(LONG);
        let waits = waits.label("x".repeat(length));
        if store.acquire_lease(&waits).await.is_ok() {
            enters = length;
        } else {
            is_refused = length;
        }
        store.release_lease(&waits.lease).await.unwrap();
    }
    let last = LeaseRequest::exclusive("a", LONG).queue(LONG);
    let last = last.label("x".repeat(enters));
    store.acquire_lease(&last).await.unwrap();
    let renewed = store.renew_leases(&[holder.renewal()]).await.remove(0);
    assert!(matches!(renewed, Ok(Renewed::Granted(_))), "{renewed:?}");
    let again = store.acquire_lease(&last).await.unwrap();
    assert!(matches!(again, Acquired::Waiting { .. }), "{again:?}");
}
