//! What those tell each other who want a saga undone, and the one who drives it in this process.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Something that is so from some moment on.
#[derive(Default)]
pub(super) struct Flag {
    is_raised: AtomicBool,
    changed: Notify,
}

#[derive(Default)]
pub(super) struct Cancel {
    /// Somebody wants the saga undone.
    pub(super) wanted: Flag,
    /// The saga was seen in the store, so that there is a log to write that into.
    pub(super) stored: Flag,
}

impl Flag {
    pub(super) fn raise(&self) {
        self.is_raised.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    pub(super) fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Acquire)
    }

    /// Returns when it is raised.
    pub(super) async fn raised(&self) {
        let changed = self.changed.notified();
        if !self.is_raised() {
            changed.await;
        }
    }
}
