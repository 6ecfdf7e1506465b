//! Stores by their URLs, for workers and for tests that run on several.

use std::path::Path;
use std::sync::Arc;

use coord::store::{PostgresStore, RedisStore, SqliteStore, Store};

/// The store at a `redis:`, `postgres:` or `sqlite:` URL.
pub async fn store_at(url: &str) -> Arc<dyn Store> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let store = SqliteStore::open(path).await;
        Arc::new(store.expect("a file that can be opened"))
    } else if url.starts_with("postgres:") {
        let store = PostgresStore::connect(url).await;
        Arc::new(store.expect("a server that accepts clients"))
    } else {
        let store = RedisStore::connect(url).await;
        Arc::new(store.expect("a server that accepts clients"))
    }
}

/// The URL of a database in a file.
pub fn sqlite_url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}
