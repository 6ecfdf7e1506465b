//! Names that could be mistaken for others in the server's tree.

use std::time::Duration;

use coord::store::{AppendRequest, LeaseRequest, ListRequest, PutRequest, Store, ZookeeperStore};
use coord_tests::{ZookeeperServer, shared_zookeeper, unique, until};

use crate::{LONG, connect, token};

const NAMES: [&str; 16] = [
    ".",
    "..",
    "/",
    "//",
    "a",
    "a/",
    "a//",
    "/a",
    "a/b",
    "a-b",
    "a%2fb",
    "a\u{0}",
    "\u{1f}",
    "ä€😀",
    "\u{e000}\u{ffff}",
    "%",
];

#[tokio::test]
async fn each_name_is_its_own_for_records_logs_and_leases() {
    let store = connect(&shared_zookeeper().await).await;
    let base = unique("names");
    let key = |name: &str| format!("{base}/{name}");
    for (number, name) in NAMES.iter().enumerate() {
        let put = PutRequest::new(key(name), number.to_string()).listed();
        store.put_record(&put).await.unwrap();
        let append = AppendRequest::new(key(name), 0, number.to_string());
        store.append_log(&append).await.unwrap();
        token(&store, &LeaseRequest::exclusive(key(name), LONG)).await;
    }
    for (number, name) in NAMES.iter().enumerate() {
        let entry = store.get_record(&key(name)).await.unwrap().unwrap();
        assert_eq!(entry.value, number.to_string(), "{name:?}");
        let log = store.read_log(&key(name), 0, 10).await.unwrap();
        assert_eq!(log, [number.to_string()], "{name:?}");
        assert_eq!(store.inspect_lease(&key(name)).await.unwrap().len(), 1);
    }
    let mut all: Vec<_> = NAMES.iter().map(|name| key(name)).collect();
    all.sort_unstable();
    for page_of in [1, 3, 100] {
        let mut request = ListRequest::new(format!("{base}/")).limit(page_of);
        let mut listed = Vec::new();
        loop {
            let page = store.list_records(&request).await.unwrap();
            assert!(page.entries.len() <= page_of);
            listed.extend(page.entries.into_iter().map(|(key, _)| key));
            match page.next {
                Some(next) => request = request.after(next),
                None => break,
            }
        }
        assert_eq!(listed, all);
    }
}

/// What has expired is absent at once, and takes no room for long.
#[tokio::test]
async fn what_has_ended_is_swept_out() {
    let server = ZookeeperServer::start().await;
    let store = ZookeeperStore::builder()
        .sweep_every(Duration::from_millis(20))
        .connect(&server.url())
        .await
        .unwrap();
    let name = |number: usize| format!("a/{number}");
    let kept = LeaseRequest::exclusive("kept", LONG);
    token(&store, &kept).await;
    let mut leases = Vec::new();
    for number in 0..10 {
        for len in 0..2 {
            let append = AppendRequest::new(name(number), len, "one");
            store.append_log(&append).await.unwrap();
        }
        let lease = LeaseRequest::exclusive(name(number), LONG);
        token(&store, &lease).await;
        leases.push(lease);
    }
    let all = server.nodes().await;
    let short = Duration::from_millis(50);
    for (number, lease) in leases.iter_mut().enumerate() {
        store.expire_log(&name(number), short).await.unwrap();
        lease.ttl = short;
        store
            .renew_leases(&[lease.renewal()])
            .await
            .remove(0)
            .unwrap();
    }
    // A log of two entries is three nodes, a line is two; and one may have been made to sweep.
    until("what has ended to be gone", async || {
        (all - server.nodes().await >= 49).then_some(())
    })
    .await;
    assert_eq!(store.inspect_lease("kept").await.unwrap().len(), 1);
    let before = server.nodes().await;
    assert!(store.release_lease(&kept.lease).await.unwrap());
    assert_eq!(before - server.nodes().await, 2, "it leaves nothing");
}
