//! Finished results that are kept in this process, so that replaying them asks nobody.
//!
//! A finished record does not change before its ttl ends, so what is here is never wrong; it only may not be
//! there. When it is full, what came first goes.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::call::Call;
use crate::clock::{Deadline, Moment};
use crate::coordinator::Service;
use crate::store::{Entry, Version};

pub(crate) struct Cache {
    size: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    results: HashMap<Arc<str>, Kept>,
    /// The names in the order in which they came.
    order: VecDeque<Arc<str>>,
}

struct Kept {
    record: Bytes,
    until: Deadline,
}

impl Cache {
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            state: Mutex::default(),
        }
    }

    fn get(&self, name: &str) -> Option<Bytes> {
        let state = self.state();
        let kept = state.results.get(name)?;
        (!kept.until.is_past()).then(|| kept.record.clone())
    }

    fn insert(&self, name: &Arc<str>, record: Bytes, until: Deadline) {
        let mut state = self.state();
        let kept = Kept { record, until };
        if state.results.insert(Arc::clone(name), kept).is_some() {
            return;
        }
        state.order.push_back(Arc::clone(name));
        if state.order.len() > self.size
            && let Some(first) = state.order.pop_front()
        {
            state.results.remove(&first);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Cache {
    fn shut_down(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        *self.state() = State::default();
        Box::pin(std::future::ready(()))
    }
}

impl Call {
    /// The record of this key, if it is kept here.
    pub(super) fn cached(&self) -> Option<Entry> {
        let value = self.cache.as_ref()?.get(&self.name)?;
        Some(Entry {
            value,
            version: Version::from_bits(0),
            expires_in: None,
        })
    }

    /// Keeps a finished record that was read or written by a request sent at `sent`.
    pub(super) fn cache(&self, record: &Bytes, sent: Moment, expires_in: Option<Duration>) {
        if let (Some(cache), Some(expires_in)) = (&self.cache, expires_in) {
            let until = Deadline::of_lease(sent, expires_in);
            cache.insert(&self.name, record.clone(), until);
        }
    }
}
