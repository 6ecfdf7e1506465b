//! PostgreSQL: while servers and processes die, when it refuses us, and what only it can do: to write a call's record
//! in a transaction of the caller's.

mod addresses;
mod claims;
mod connecting;
mod crashes;
mod encryption;
mod failover;
mod plans;
mod poolers;
mod refusals;
mod runtimes;
mod schemas;
mod sweeping;
mod together;
mod transactions;
mod wakes;

use std::time::Duration;

use coord::store::{Acquired, LeaseRequest, PostgresStore, Store};
use coord::{Coordinator, Error, StoreError};

/// A ttl that ends only after the test.
const LONG: Duration = Duration::from_secs(600);

async fn connect(url: &str) -> PostgresStore {
    PostgresStore::connect(url)
        .await
        .expect("a server that accepts clients")
}

async fn coordinator(url: &str) -> Coordinator {
    Coordinator::builder().store(connect(url).await).build()
}

/// Why a store cannot be had, after a look at all that the error shows.
async fn refused(url: &str) -> StoreError {
    let error = match PostgresStore::connect(url).await {
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
