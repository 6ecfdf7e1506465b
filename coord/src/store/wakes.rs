//! Who is to be woken by which message of the server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::store::{FencingToken, OwnerId, OwnerMap, Wake, WakeSender, Watch};

/// How many wake-ups are kept for waiters that are not known yet.
const EARLY_AT_MOST: usize = 1_024;

/// Waiters in lines by owner, and watchers of other things by channel.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Several for one owner if it has asked again.
    waiters: OwnerMap<Vec<WakeSender>>,
    /// What came for waiters before they were told that they wait. Little stays for more than a moment: what is for
    /// waiters that were dropped.
    early: VecDeque<(OwnerId, Wake)>,
    watchers: HashMap<Arc<str>, Vec<WakeSender>>,
}

impl Wakes {
    /// A watch for one who was told that it waits in a line. It ends when the watch is dropped.
    pub(super) fn wait_in_line(self: &Arc<Self>, owner: OwnerId) -> Watch {
        let (sender, watch) = Watch::channel();
        let mut state = self.state();
        if let Some(index) = state.early.iter().position(|(early, _)| *early == owner)
            && let Some((_, wake)) = state.early.remove(index)
        {
            sender.wake(wake);
        }
        state.waiters.entry(owner).or_default().push(sender);
        drop(state);
        watch.keeping(Waiting {
            wakes: Arc::downgrade(self),
            owner,
        })
    }

    /// A watch of `channel`.
    pub(super) fn watch(&self, channel: &Arc<str>) -> Watch {
        let (sender, watch) = Watch::channel();
        let mut state = self.state();
        let watchers = state.watchers.entry(Arc::clone(channel)).or_default();
        watchers.retain(WakeSender::is_watched);
        watchers.push(sender);
        watch
    }

    /// The channels that somebody watches. Those that nobody does any more are forgotten.
    pub(super) fn channels(&self) -> Vec<Arc<str>> {
        let mut state = self.state();
        state
            .watchers
            .retain(|_, watchers| watchers.iter().any(WakeSender::is_watched));
        state.watchers.keys().cloned().collect()
    }

    /// Whether anybody watches the channel.
    #[cfg(any(feature = "redis-cluster", feature = "zookeeper"))]
    pub(super) fn is_watched(&self, channel: &str) -> bool {
        let state = self.state();
        let watchers = state.watchers.get(channel);
        watchers.is_some_and(|watchers| watchers.iter().any(WakeSender::is_watched))
    }

    /// Whether anybody waits or watches.
    #[cfg(feature = "postgres")]
    pub(super) fn are_wanted(&self) -> bool {
        let state = self.state();
        !(state.waiters.is_empty() && state.watchers.is_empty())
    }

    /// One in a line was granted.
    pub(super) fn granted(&self, owner: OwnerId, token: FencingToken) {
        self.wake(owner, Wake::Granted(token));
    }

    /// Something has happened to one in a line.
    pub(super) fn wake(&self, owner: OwnerId, wake: Wake) {
        let mut state = self.state();
        if let Some(senders) = state.waiters.get(&owner) {
            for sender in senders {
                sender.wake(wake);
            }
            return;
        }
        if state.early.len() >= EARLY_AT_MOST {
            state.early.pop_front();
        }
        state.early.push_back((owner, wake));
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
