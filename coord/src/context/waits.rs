//! What the steps of a saga wait for. They run in a task of their own, so what the one who waits for the saga holds is not
//! in their context: it is that one who finds out that they wait for it.
//!
//! 1. Whoever queues in a step, or waits for the result of a call, says so to every saga around, and takes it back however the queueing ends.
//! 2. Whoever waits for a saga in a step of another waits for that saga, and for what its steps wait for. So a circle is
//!    found by somebody in it, however many sagas it goes through.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{CURRENT, Context, StoreId};

/// What the steps of one saga wait for, once for each that waits.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    now: Mutex<Vec<WaitedFor>>,
    changed: Notify,
}

/// A lock, an idempotent call, or a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WaitedFor {
    pub(crate) store: StoreId,
    pub(crate) resource: Arc<str>,
    pub(crate) template: &'static str,
}

/// That the current code waits. Dropped, it does not any more.
pub(crate) struct Waiting {
    sagas: Vec<Arc<Waits>>,
    what: WaitedFor,
}

impl Waits {
    /// For the code that waits for `saga`, whose steps' waits these are: returns if that would wait for itself, with the
    /// template of what it holds.
    pub(crate) async fn meet(&self, saga: WaitedFor) -> &'static str {
        let mut _waiting = Vec::new();
        loop {
            let changed = self.changed.notified();
            let all = self.now().clone();
            if let Some(held) = all.iter().find(|what| what.is_held()) {
                return held.template;
            }
            let all = std::iter::once(saga.clone()).chain(all);
            _waiting = all.map(Waiting::now).collect();
            changed.await;
        }
    }

    fn now(&self) -> MutexGuard<'_, Vec<WaitedFor>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WaitedFor {
    fn is_held(&self) -> bool {
        Context::holds(self.store, &self.resource)
    }
}

impl Waiting {
    /// Tells the sagas that the current code is inside of.
    pub(crate) fn now(what: WaitedFor) -> Self {
        let around = |context: &Context| {
            let sagas = context.chain().filter_map(|held| held.saga.as_ref());
            sagas.map(|(_, waits)| Arc::clone(waits)).collect()
        };
        let sagas: Vec<_> = CURRENT.try_with(around).unwrap_or_default();
        for saga in &sagas {
            saga.now().push(what.clone());
            saga.changed.notify_waiters();
        }
        Self { sagas, what }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for saga in &self.sagas {
            let mut all = saga.now();
            if let Some(at) = all.iter().position(|what| *what == self.what) {
                all.swap_remove(at);
            }
            drop(all);
            saga.changed.notify_waiters();
        }
    }
}
