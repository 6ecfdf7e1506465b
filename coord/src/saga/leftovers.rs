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
    gathered: Mutex<Vec<Leftover>>,
}

/// The right, and the duty, to see to what is gathered until this is over.
pub(super) struct Gathering<'a> {
    leftovers: &'a Leftovers,
    is_over: bool,
}

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
    /// Puts it to those that are gathered. If it is the first, whoever brought it sees to all.
    pub(super) fn gather(&self, leftover: Leftover) -> Option<Gathering<'_>> {
        let mut gathered = self.gathered();
        gathered.push(leftover);
        let is_first = gathered.len() == 1;
        drop(gathered);
        is_first.then(|| Gathering {
            leftovers: self,
            is_over: false,
        })
    }

    /// Sees to all that are gathered now. What fails is not tried again: it stays listed.
    pub(super) async fn clear(&self, store: &dyn Store) {
        let all = mem::take(&mut *self.gathered());
        let each = stream::iter(all);
        each.for_each_concurrent(AT_ONCE, |leftover| leftover.try_to_clean_up(store))
            .await;
    }

    fn gathered(&self) -> MutexGuard<'_, Vec<Leftover>> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathering<'_> {
    /// Sees to all that are gathered by now.
    pub(super) async fn clean_up(mut self, store: &dyn Store) {
        let all = self.end();
        let each = stream::iter(all);
        each.for_each_concurrent(AT_ONCE, |leftover| leftover.clean_up(store))
            .await;
    }

    /// Leaves them to the one who shuts down.
    pub(super) fn leave(mut self) {
        self.is_over = true;
    }

    fn end(&mut self) -> Vec<Leftover> {
        self.is_over = true;
        mem::take(&mut *self.leftovers.gathered())
    }
}

/// Cut off in the middle, so what is gathered stays listed, and the next one gathers anew.
impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.end();
        }
    }
}
