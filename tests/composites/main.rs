//! Stores made of stores: what they go on with, and what they refuse, while some of those are away, hang, or come back
//! with nothing.

mod counting;
mod fallback;
mod held;
mod mirror;
mod quorum;
mod routed;
mod server;
mod servers;
mod simulation;
mod table;

use std::time::Duration;

use coord::store::{
    Acquired, FencingToken, LeaseRequest, Put, PutRequest, Quorum, Result, Store, StoreExt,
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
