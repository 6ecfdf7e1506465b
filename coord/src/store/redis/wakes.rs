//! Who is to be woken by which message of the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::store::{FencingToken, OwnerId, Wake, WakeSender, Watch};

/// Waiters in lines by owner, and watchers of other things by channel.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Several for one owner if it has asked again.
    waiters: HashMap<OwnerId, Vec<WakeSender>>,
    watchers: HashMap<Arc<str>, Vec<WakeSender>>,
}

impl Wakes {
    /// A watch for one who is about to enter a line. It ends when the watch is dropped.
    pub(super) fn wait_in_line(self: &Arc<Self>, owner: OwnerId) -> Watch {
        let (sender, watch) = Watch::channel();
        self.state().waiters.entry(owner).or_default().push(sender);
        watch.keeping(Waiting {
            wakes: Arc::downgrade(self),
            owner,
        })
    }

    /// A watch of `channel`, and whether it is the first.
    pub(super) fn watch(&self, channel: &Arc<str>) -> (Watch, bool) {
        let (sender, watch) = Watch::channel();
        let mut state = self.state();
        let watchers = state.watchers.entry(Arc::clone(channel)).or_default();
        let is_first = watchers.is_empty();
        watchers.retain(WakeSender::is_watched);
        watchers.push(sender);
        (watch, is_first)
    }

    /// The channels that somebody watches. Those that nobody does any more are forgotten.
    pub(super) fn channels(&self) -> Vec<Arc<str>> {
        let mut state = self.state();
        state
            .watchers
            .retain(|_, watchers| watchers.iter().any(WakeSender::is_watched));
        state.watchers.keys().cloned().collect()
    }

    /// One in a line was granted.
    pub(super) fn granted(&self, owner: OwnerId, token: FencingToken) {
        for sender in self.state().waiters.get(&owner).into_iter().flatten() {
            sender.wake(Wake::Granted(token));
        }
    }

    /// Something has changed. `false`: nobody watches the channel any more.
    pub(super) fn changed(&self, channel: &str) -> bool {
        let mut state = self.state();
        let Some(watchers) = state.watchers.get_mut(channel) else {
            return false;
        };
        watchers.retain(WakeSender::is_watched);
        for watcher in &*watchers {
            watcher.wake(Wake::Look);
        }
        let is_watched = !watchers.is_empty();
        if !is_watched {
            state.watchers.remove(channel);
        }
        is_watched
    }

    /// Messages may have been missed: everybody looks again.
    pub(super) fn look_again(&self) {
        let state = self.state();
        state
            .waiters
            .values()
            .chain(state.watchers.values())
            .flatten()
            .for_each(|sender| sender.wake(Wake::Look));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a waiter out when its watch is dropped.
struct Waiting {
    wakes: Weak<Wakes>,
    owner: OwnerId,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(wakes) = self.wakes.upgrade() {
            let mut state = wakes.state();
            if let Some(senders) = state.waiters.get_mut(&self.owner) {
                senders.retain(WakeSender::is_watched);
                if senders.is_empty() {
                    state.waiters.remove(&self.owner);
                }
            }
        }
    }
}
