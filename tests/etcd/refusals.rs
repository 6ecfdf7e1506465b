//! URLs and servers that refuse us: each error says why, what to do, and no password.

use coord::store::StoreExt;
use coord::{Coordinator, Error, StoreErrorKind};
use coord_tests::{EtcdServer, shared_etcd, unique};

use crate::{LONG, connect, refused};

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
