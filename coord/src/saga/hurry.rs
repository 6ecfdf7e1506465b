//! Attempts that were put off, and that somebody wants made at once.
//!
//! Who wants that puts a record beside the saga, with the number of entries that its log has; whoever waits since the log
//! had no more of them makes the attempt. If it fails, the log is longer, and the next one is put off for as long as its
//! policy says. The record lapses by itself. Nothing but the time of an attempt depends on it.

use std::time::Duration;

use super::head::About;
use super::journal::{Fold, Journal};
use crate::coordinator::Coordinator;
use crate::store::{PutRequest, Store, Watched};

/// What is put off for no longer is not worth a watch.
const SHORT: Duration = Duration::from_secs(1);
/// How soon a store that is away is asked again.
const RETRY: Duration = Duration::from_millis(250);
/// For how long the record is there, for those whose store is away just then.
const LASTS: Duration = Duration::from_secs(60);

/// An attempt that was put off.
pub(super) struct PutOff {
    delay: Duration,
    hurry: Hurry,
}

/// That attempts are wanted at once which were put off when the log had so many entries.
pub(super) struct Hurry {
    name: String,
    entries: u64,
}

impl PutOff {
    pub(super) fn by<F: Fold>(
        delay: Duration,
        coordinator: &Coordinator,
        journal: &Journal<F>,
    ) -> Self {
        let about = &journal.head.about;
        Self {
            delay,
            hurry: Hurry::of(coordinator, about, journal.entries()),
        }
    }

    /// Returns when it is to be made.
    pub(super) async fn is_due(&self, store: &dyn Store) {
        tokio::select! {
            biased;
            () = tokio::time::sleep(self.delay) => {}
            () = self.hurry.is_wanted(store), if self.delay > SHORT => {}
        }
    }
}

impl Hurry {
    pub(super) fn of(coordinator: &Coordinator, about: &About, entries: u64) -> Self {
        let prefix = coordinator.prefix("saga-hurry");
        Self {
            name: format!("{prefix}{:032x}", about.run),
            entries,
        }
    }

    pub(super) fn put(&self) -> PutRequest {
        PutRequest::new(&*self.name, self.entries.to_string().into_bytes()).ttl(LASTS)
    }

    async fn is_wanted(&self, store: &dyn Store) {
        let watched = Watched::Record(self.name.clone());
        let mut watch = loop {
            match store.watch(&watched).await {
                Ok(watch) => break watch,
                Err(error) => {
                    tracing::debug!(%error, "waiting for the next attempt without a watch");
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        while !self.is_there(store).await {
            watch.changed().await;
        }
    }

    async fn is_there(&self, store: &dyn Store) -> bool {
        let there = store.get_record(&self.name).await.ok().flatten();
        let text = there
            .as_ref()
            .and_then(|there| std::str::from_utf8(&there.value).ok());
        let entries = text.and_then(|text| text.parse::<u64>().ok());
        entries.is_some_and(|entries| entries >= self.entries)
    }
}
