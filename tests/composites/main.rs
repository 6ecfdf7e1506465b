//! Stores made of stores: what they go on with, and what they refuse, while some of those are away, hang, or come back
//! with nothing.

mod counting;
mod fallback;
mod held;
mod keeping;
mod late;
mod membership;
mod mirror;
mod network;
mod quorum;
mod routed;
mod server;
mod servers;
mod simulation;
mod table;

use std::time::Duration;

use coord::store::{
    Acquired, Append, AppendRequest, FencingToken, LeaseRequest, ListRequest, Put, PutRequest,
    Quorum, Renewed, Result, Store, StoreExt,
};
use server::Server;

/// A ttl that ends only after the test.
const LONG: Duration = Duration::from_secs(600);

/// A quorum, and its stores.
fn quorum_of(count: usize) -> (Quorum, Vec<Server>) {
    let servers: Vec<_> = (0..count).map(|_| Server::new()).collect();
    (Quorum::of(servers.iter().cloned()), servers)
}

/// Another process's quorum of the same stores.
fn another(servers: &[Server]) -> Quorum {
    Quorum::of(servers.iter().cloned())
}

async fn set(store: &impl Store, key: &str, value: &str) {
    let value = value.to_owned();
    store.set(key, value, None).await.expect("it is stored");
}

async fn get(store: &impl Store, key: &str) -> Result<Option<String>> {
    let value = store.get(key).await?;
    Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

async fn put(store: &impl Store, request: &PutRequest) -> bool {
    matches!(store.put_record(request).await, Ok(Put::Stored(_)))
}

async fn acquired(store: &impl Store, request: &LeaseRequest) -> FencingToken {
    match store.acquire_lease(request).await {
        Ok(Acquired::Granted(token)) => token,
        other => panic!("expected a grant, got {other:?}"),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what is read")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Each kind of operation does what it should.
async fn all_kinds_work(store: &impl Store, name: &str) {
    set(store, name, "one").await;
    assert_eq!(get(store, name).await.unwrap(), some("one"));
    let listed = PutRequest::new(format!("{name}/listed"), "").listed();
    assert!(put(store, &listed).await);
    let page = store
        .list_records(&ListRequest::new(format!("{name}/")))
        .await;
    assert_eq!(page.unwrap().entries.len(), 1);
    let append = AppendRequest::new(name, 0, "entry");
    assert_eq!(store.append_log(&append).await.unwrap(), Append::Appended);
    assert_eq!(store.read_log(name, 0, 10).await.unwrap(), ["entry"]);

    let (holder, waiter) = (
        LeaseRequest::exclusive(name, LONG),
        LeaseRequest::exclusive(name, LONG).queue(LONG),
    );
    let token = acquired(store, &holder).await;
    let place = store.acquire_lease(&waiter).await.unwrap();
    assert!(
        matches!(place, Acquired::Waiting { ahead: 1, .. }),
        "{place:?}"
    );
    assert!(store.release_lease(&holder.lease).await.unwrap());
    let renewed = store
        .renew_leases(&[waiter.renewal()])
        .await
        .remove(0)
        .unwrap();
    assert!(matches!(renewed, Renewed::Granted(next) if next > token));
    assert!(store.release_lease(&waiter.lease).await.unwrap());
}
