//! Connecting to the store that was named.

use std::time::Duration;

use super::arguments::Global;
use super::failure::{Failure, Outcome, USAGE};
use crate::coordinator::Coordinator;
use crate::store;

/// How long giving back what is held may take in the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// The coordinator that commands use.
pub(super) async fn connect(global: &Global) -> Outcome<Coordinator> {
    if global.namespace.is_empty() {
        return Err(Failure::new(
            USAGE,
            "the namespace is empty; leave it out for `coord`",
        ));
    }
    let store = store::connect(url(global)?).await?;
    Ok(Coordinator::builder()
        .store(store)
        .namespace(&global.namespace)
        .build())
}

/// The URL that was given.
pub(super) fn url(global: &Global) -> Outcome<&str> {
    let url = global.store.as_deref().filter(|url| !url.is_empty());
    url.ok_or_else(|| {
        Failure::new(
            USAGE,
            "no store is named: say `--store URL`, or set COORD_URL, to `redis://host:6379`, `postgres://host/database`, \
             `zk://host:2181`, `etcd://host:2379` or `sqlite:coord.db`",
        )
    })
}

/// Ends what runs in the background.
pub(super) async fn close(coordinator: &Coordinator) {
    let _ = tokio::time::timeout(FAREWELL, coordinator.shutdown()).await;
}
