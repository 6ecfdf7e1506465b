//! What the store in Redis does with more than one server, with encryption, and with a user of few rights.

mod cluster;
mod databases;
mod encryption;
mod hanging;
mod lines;
mod permissions;
mod reconnecting;
mod refusing;
mod replicas;
mod runtimes;
mod sentinels;
mod strangers;
mod sweeping;

use std::time::Duration;

use coord::store::{RedisStore, RedisStoreBuilder};
use coord::{Coordinator, Error, Lease, StoreError};

const NAMESPACE: &str = "shop";
/// A ttl that ends only after the test.
const LONG: Duration = Duration::from_secs(60);

/// A store that soon gives up waiting for an answer.
fn builder() -> RedisStoreBuilder {
    RedisStore::builder().response_timeout(Duration::from_millis(500))
}

/// One that gives busy servers time to connect, and to answer.
fn patient() -> RedisStoreBuilder {
    builder().response_timeout(Duration::from_millis(1_500))
}

async fn connect(builder: RedisStoreBuilder, url: &str) -> Coordinator {
    let store = builder.connect(url).await;
    Coordinator::builder()
        .store(store.expect("a server that accepts clients"))
        .namespace(NAMESPACE)
        .build()
}

/// Why the store says no.
async fn refused(builder: RedisStoreBuilder, url: &str) -> StoreError {
    match builder.connect(url).await.expect_err("a refusal") {
        Error::Store(error) => error,
        error => panic!("{error:?}"),
    }
}

fn token(lease: &Lease) -> u64 {
    lease.token().into()
}
