//! Stores by their URLs, for workers and for tests that run on several.

use std::path::Path;
use std::sync::Arc;

use coord::store::Store;

/// The store at a URL.
pub async fn store_at(url: &str) -> Arc<dyn Store> {
    let store = coord::store::connect(url).await;
    store.expect("a store that can be used")
}

/// The URL of a database in a file.
pub fn sqlite_url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}
