//! ZooKeeper: while servers, connections and sessions die, when it refuses us, and what names it can be asked for.

mod cost;
mod encryption;
mod ensemble;
mod failures;
mod names;
mod refusals;
mod runtimes;
mod sessions;

use std::time::Duration;

use coord::store::{Acquired, LeaseRequest, Store, ZookeeperStore};
use coord::{Coordinator, Error, StoreError};
use coord_tests::until;

/// A ttl that ends only after the test.
const LONG: Duration = Duration::from_secs(600);

async fn connect(url: &str) -> ZookeeperStore {
    ZookeeperStore::connect(url)
        .await
        .expect("a server that accepts clients")
}

async fn coordinator(url: &str) -> Coordinator {
    Coordinator::builder().store(connect(url).await).build()
}

/// Why a store cannot be had, after a look at all that the error shows.
async fn refused(url: &str) -> StoreError {
    let error = match ZookeeperStore::connect(url).await {
        Err(Error::Store(error)) => error,
        other => panic!("expected to be refused, got {other:?}"),
    };
    let shown = format!("{error} {error:?} {error:#?}");
    assert!(!shown.contains("hunter2"), "the password is shown: {shown}");
    error
}

async fn token(store: &dyn Store, request: &LeaseRequest) -> u64 {
    match store.acquire_lease(request).await.expect("an answer") {
        Acquired::Granted(token) => token.into(),
        other => panic!("expected a grant, got {other:?}"),
    }
}

/// Sends something again, with the same identity, until it is answered.
async fn insist<T>(mut send: impl AsyncFnMut() -> coord::store::Result<T>) -> T {
    until("an answer", async || match send().await {
        Ok(answer) => Some(answer),
        Err(error) => {
            assert!(error.is_retryable(), "{error}");
            None
        }
    })
    .await
}

/// Waits until so many are in the line of the lock `a`.
async fn until_in_line(store: &dyn Store, count: usize) {
    until("the line to be of that length", async || {
        let line = store.inspect_lease("coord/lock/a").await.ok()?;
        (line.len() == count).then_some(())
    })
    .await;
}
