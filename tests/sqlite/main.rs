//! The store in a file: while processes die, while the disk is full, and when the file is not what it should be.

mod files;
mod growth;
mod processes;
mod time;
mod trouble;

use std::path::Path;
use std::time::Duration;

use coord::store::{Acquired, LeaseRequest, SqliteStore, Store};
use coord::{Error, StoreError};
use rusqlite::Connection;

/// A ttl that ends only after the test.
const LONG: Duration = Duration::from_secs(600);

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path)
        .await
        .expect("a file that can be opened")
}

/// Why a file cannot be opened.
async fn refused(path: &Path) -> StoreError {
    match SqliteStore::open(path).await {
        Err(Error::Store(error)) => error,
        other => panic!("expected the file to be refused, got {other:?}"),
    }
}

/// The database as another program sees it.
fn beside(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection
        .busy_timeout(Duration::from_secs(30))
        .expect("a setting");
    connection
}

async fn token(store: &dyn Store, request: &LeaseRequest) -> u64 {
    match store.acquire_lease(request).await.expect("an answer") {
        Acquired::Granted(token) => token.into(),
        other => panic!("expected a grant, got {other:?}"),
    }
}
