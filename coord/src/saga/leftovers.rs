//! What a saga that has ended leaves behind: a log that is to disappear when its head does, and a place in the list of what
//! its executor has. Nobody waits for either, so those of many sagas are seen to together, which the stores do in a few round
//! trips and commits.
//!
//! Until its log was told to expire, a saga stays listed: if its executor ends before, whoever recovers it does that. Those
//! of closures are not listed, so a call of theirs sees to its log itself, before it returns.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::time::Instant;

use super::journal::insist;
use super::membership::{Member, Slot};
use crate::error::StoreError;
use crate::store::Store;

/// For how long those of sagas that end after one another are put together.
pub(super) const GATHERED_FOR: Duration = Duration::from_millis(100);
/// How many logs are told to expire at the same time.
const AT_ONCE: usize = 128;

/// What one saga leaves behind that has a log.
pub(super) struct Leftover {
    pub(super) member: Arc<Member>,
    pub(super) log: String,
    /// How long the log is kept.
    pub(super) retention: Duration,
    pub(super) slot: Option<Slot>,
}

/// What the sagas of an executor have left behind and was not seen to yet.
#[derive(Default)]
pub(super) struct Leftovers {
    gathered: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    all: Vec<Leftover>,
    /// When somebody was last told to see to them, who has not yet.
    since: Option<Instant>,
}

/// The duty to see to what is gathered. Dropped, it is that of the next one who brings something.
pub(super) struct Gathering<'a>(&'a Leftovers);

impl Leftover {
    /// Asks for as long as the executor is a member.
    pub(super) async fn clean_up(self, store: &dyn Store) {
        if insist(&self.member, || self.expire(store)).await.is_ok() {
            self.unlist();
        }
    }

    async fn try_to_clean_up(self, store: &dyn Store) {
        if self.expire(store).await.is_ok() {
            self.unlist();
        }
    }

    /// Has the log disappear when the head does.
    pub(super) async fn expire(&self, store: &dyn Store) -> Result<(), StoreError> {
        store.expire_log(&self.log, self.retention).await
    }

    fn unlist(self) {
        if let Some(slot) = self.slot {
            slot.free();
        }
    }
}

impl Leftovers {
    /// Puts it to those that are gathered. Whoever brought it sees to all, if it is the first, or if that one has not done so
    /// for long, since its runtime stands still.
    pub(super) fn gather(&self, leftover: Leftover) -> Option<Gathering<'_>> {
        let mut gathered = self.gathered();
        gathered.all.push(leftover);
        let since = gathered.since;
        if since.is_some_and(|since| since.elapsed() <= GATHERED_FOR * 2) {
            return None;
        }
        gathered.since = Some(Instant::now());
        Some(Gathering(self))
    }

    /// Sees to all that are gathered now. What fails is not tried again: it stays listed.
    pub(super) async fn clear(&self, store: &dyn Store) {
        let each = stream::iter(self.end());
        each.for_each_concurrent(AT_ONCE, |leftover| leftover.try_to_clean_up(store))
            .await;
    }

    fn end(&self) -> Vec<Leftover> {
        mem::take(&mut *self.gathered()).all
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathering<'_> {
    /// Sees to all that are gathered by now.
    pub(super) async fn clean_up(self, store: &dyn Store) {
        let each = stream::iter(self.0.end());
        drop(self);
        each.for_each_concurrent(AT_ONCE, |leftover| leftover.clean_up(store))
            .await;
    }
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        self.0.gathered().since = None;
    }
}
