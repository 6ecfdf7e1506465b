//! From a URL to a store.

use std::sync::Arc;

use super::{MemoryStore, Store};
use crate::error::Error;

/// Connects to the store that `url` names, for a coordinator that has further settings.
///
/// Known are `memory:`; with the feature `sqlite`, `sqlite:coord.db` or any other path, which stands as it is
/// written, without escapes; with the feature `redis`, `redis://[user:password@]host[:port][/database]`, and with `tls`,
/// `redis-sentinel` and `redis-cluster` further ones, of which `store::RedisStore` tells; with the feature `postgres`,
/// `postgres://[user[:password]@]host[:port][/database]`, of which `store::PostgresStore` tells more; with the feature
/// `zookeeper`, `zk://[user:password@]host[:port][,host[:port]…][/folder]`, or `zks:` if it is encrypted; and with the
/// feature `etcd`, `etcd://[user:password@]host[:port][,host[:port]…][/prefix]`, or `etcds:` if it is encrypted.
/// Dropping the future leaves nothing behind.
///
/// # Errors
///
/// [`Error::InvalidUrl`] if the scheme is unknown, its feature is off, or the URL is malformed;
/// [`Error::Store`] if the server cannot be reached or refuses us, or the file cannot be used.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use coord::{Coordinator, store};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let coord = Coordinator::builder()
///     .store(store::connect("memory:").await?)
///     .namespace("shop")
///     .lock_ttl(Duration::from_secs(5))
///     .build();
/// # coord.lock("order:42").acquire().await?.release().await?;
/// # Ok::<(), coord::Error>(()) }).unwrap();
/// ```
pub async fn connect(url: &str) -> Result<Arc<dyn Store>, Error> {
    let scheme = scheme(url).ok_or_else(|| {
        Error::invalid_url(
            "it begins with no scheme; write it as `memory:`, `sqlite:coord.db`, `redis://host:6379`, \
             `postgres://host/database`, `zk://host:2181` or `etcd://host:2379`",
        )
    })?;
    match &*scheme {
        "memory" => Ok(Arc::new(MemoryStore::new())),
        "sqlite" => sqlite(url).await,
        "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" | "redis+cluster"
        | "rediss+cluster" => redis(&scheme, url).await,
        "postgres" | "postgresql" => postgres(url).await,
        "zk" | "zks" => zookeeper(&scheme, url).await,
        "etcd" | "etcds" => etcd(&scheme, url).await,
        unknown => Err(Error::invalid_url(format!(
            "the scheme `{unknown}:` is unknown; this version knows `memory:`, `sqlite:`, `redis:`, `rediss:`, \
             `redis+sentinel:`, `rediss+sentinel:`, `redis+cluster:`, `rediss+cluster:`, `postgres:`, `zk:`, `zks:`, `etcd:` and `etcds:`"
        ))),
    }
}

/// What stands before the first colon. The rest is not always a URL: some name several hosts, and one a path.
fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once(':')?;
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    (!scheme.is_empty() && scheme.bytes().all(is_one)).then(|| scheme.to_ascii_lowercase())
}

/// The path stands as it is written, without escapes.
#[cfg(feature = "sqlite")]
async fn sqlite(url: &str) -> Result<Arc<dyn Store>, Error> {
    let malformed = |problem: &'static str| Err(Error::invalid_url(problem));
    let path = url.split_once(':').map_or("", |(_, path)| path);
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path == ":memory:" {
        return malformed(
            "it names no file; write it as `sqlite:coord.db` or `sqlite:/var/lib/coord.db`, or use `memory:`",
        );
    }
    if url.contains("://") && !path.starts_with('/') {
        return malformed(
            "what stands behind `//` is a host, and SQLite has none; write it as `sqlite:coord.db` or \
             `sqlite:/var/lib/coord.db`",
        );
    }
    if path.contains(['?', '#']) {
        return malformed(
            "the path has a `?` or `#`, and options are none of the URL's; set them with `SqliteStore::builder`",
        );
    }
    Ok(Arc::new(super::SqliteStore::open(path).await?))
}

#[cfg(not(feature = "sqlite"))]
#[expect(clippy::unused_async, reason = "it stands in for one that awaits")]
async fn sqlite(_: &str) -> Result<Arc<dyn Store>, Error> {
    Err(feature_is_off("sqlite", "sqlite"))
}

#[cfg(feature = "redis")]
async fn redis(scheme: &str, url: &str) -> Result<Arc<dyn Store>, Error> {
    if let Some(feature) = redis_feature_that_is_off(scheme) {
        return Err(feature_is_off(scheme, feature));
    }
    Ok(Arc::new(super::RedisStore::connect(url).await?))
}

#[cfg(not(feature = "redis"))]
#[expect(clippy::unused_async, reason = "it stands in for one that awaits")]
async fn redis(scheme: &str, _: &str) -> Result<Arc<dyn Store>, Error> {
    let feature = redis_feature_that_is_off(scheme).unwrap_or("redis");
    Err(feature_is_off(scheme, feature))
}

/// The first feature to turn on for a URL of Redis. Each brings what it stands on.
fn redis_feature_that_is_off(scheme: &str) -> Option<&'static str> {
    let needed = [
        (
            scheme.ends_with("+sentinel"),
            "redis-sentinel",
            cfg!(feature = "redis-sentinel"),
        ),
        (
            scheme.ends_with("+cluster"),
            "redis-cluster",
            cfg!(feature = "redis-cluster"),
        ),
        (scheme.starts_with("rediss"), "tls", cfg!(feature = "tls")),
        (true, "redis", cfg!(feature = "redis")),
    ];
    let off = needed
        .into_iter()
        .find(|(is_needed, _, is_on)| *is_needed && !is_on);
    off.map(|(_, feature, _)| feature)
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(super::PostgresStore::connect(url).await?))
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "it stands in for one that awaits")]
async fn postgres(_: &str) -> Result<Arc<dyn Store>, Error> {
    Err(feature_is_off("postgres", "postgres"))
}

#[cfg(feature = "zookeeper")]
async fn zookeeper(_: &str, url: &str) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(super::ZookeeperStore::connect(url).await?))
}

#[cfg(not(feature = "zookeeper"))]
#[expect(clippy::unused_async, reason = "it stands in for one that awaits")]
async fn zookeeper(scheme: &str, _: &str) -> Result<Arc<dyn Store>, Error> {
    Err(feature_is_off(scheme, "zookeeper"))
}

#[cfg(feature = "etcd")]
async fn etcd(_: &str, url: &str) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(super::EtcdStore::connect(url).await?))
}

#[cfg(not(feature = "etcd"))]
#[expect(clippy::unused_async, reason = "it stands in for one that awaits")]
async fn etcd(scheme: &str, _: &str) -> Result<Arc<dyn Store>, Error> {
    Err(feature_is_off(scheme, "etcd"))
}

#[cfg_attr(
    all(
        feature = "sqlite",
        feature = "redis",
        feature = "postgres",
        feature = "zookeeper",
        feature = "etcd"
    ),
    allow(dead_code, reason = "with all features there is none that is off")
)]
fn feature_is_off(scheme: &str, feature: &str) -> Error {
    Error::invalid_url(format!(
        "the scheme `{scheme}:` needs the feature `{feature}`: put `coord = {{ version = \"…\", features = [\"{feature}\"] }}` \
         into Cargo.toml"
    ))
}
