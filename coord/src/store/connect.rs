//! From a URL to a store.

use std::sync::Arc;

use url::Url;

use super::{MemoryStore, Store};
use crate::error::Error;

/// Connects to the store that `url` names.
pub(crate) async fn connect(url: &str) -> Result<Arc<dyn Store>, Error> {
    let parsed = Url::parse(url).map_err(|problem| {
        Error::invalid_url(format!(
            "{problem}; write it as `memory:` or `redis://host:6379`"
        ))
    })?;
    match parsed.scheme() {
        "memory" => Ok(Arc::new(MemoryStore::new())),
        "redis" => redis(parsed).await,
        unknown => Err(Error::invalid_url(format!(
            "the scheme `{unknown}:` is unknown; this version knows `memory:` and `redis:`"
        ))),
    }
}

#[cfg(feature = "redis")]
async fn redis(url: Url) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(super::RedisStore::connect(url.as_str()).await?))
}

#[cfg(not(feature = "redis"))]
#[expect(clippy::unused_async, reason = "it stands in for one that awaits")]
async fn redis(_: Url) -> Result<Arc<dyn Store>, Error> {
    Err(Error::invalid_url(
        "the scheme `redis:` needs the feature `redis`: put `coord = { version = \"…\", features = [\"redis\"] }` into Cargo.toml",
    ))
}
