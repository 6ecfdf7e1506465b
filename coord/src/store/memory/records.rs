//! Records in memory.
//!
//! A deleted record leaves a stone behind for a minute: the ids of what was done to it, so that a repeated
//! request is recognised. Stones and expired records are swept a few at a time, with each write.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rapidhash::fast::RapidHashMap;
use tokio::time::Instant;

use super::Watchers;
use super::due::{Due, Look};
use super::recent::Recent;
use crate::store::{DeleteRequest, Entry, ListRequest, Put, PutRequest, Version};

const REMEMBERED_OPERATIONS: usize = 9;
const STONE_LASTS: Duration = Duration::from_secs(60);
const SWEPT_PER_WRITE: usize = 2;

#[derive(Debug, Default)]
pub(super) struct RecordShard {
    /// Boxed, since a map moves what it has when it grows.
    slots: RapidHashMap<Arc<str>, Box<Slot>>,
    /// The keys of those that are to be listed.
    listed: BTreeSet<Arc<str>>,
    due: Due,
    pub(super) watchers: Watchers,
}

#[derive(Debug)]
struct Slot {
    /// The same as in the map, to be shared with what is due and what is listed.
    key: Arc<str>,
    /// `None` once deleted.
    live: Option<Live>,
    gone_at: Option<Instant>,
    look: Look,
    recent: Recent,
    is_listed: bool,
}

#[derive(Debug)]
struct Live {
    value: Bytes,
    version: Version,
}

impl Slot {
    fn new(key: &str) -> Self {
        Self {
            key: key.into(),
            live: None,
            gone_at: None,
            look: Look::default(),
            recent: Recent::default(),
            is_listed: false,
        }
    }

    fn is_gone(&self, now: Instant) -> bool {
        self.gone_at.is_some_and(|at| at <= now)
    }

    /// Whether this was done to what is there.
    fn was_done(&self, operation: u128, now: Instant) -> bool {
        !self.is_gone(now) && self.recent.contains(operation)
    }

    fn entry(&self, now: Instant) -> Option<Entry> {
        let live = self.live.as_ref().filter(|_| !self.is_gone(now))?;
        Some(Entry {
            value: live.value.clone(),
            version: live.version,
            expires_in: self.gone_at.map(|at| at - now),
        })
    }

    fn write(
        &mut self,
        live: Option<Live>,
        gone_at: Option<Instant>,
        operation: u128,
        now: Instant,
    ) {
        if self.is_gone(now) {
            self.recent = Recent::default();
        }
        self.live = live;
        self.gone_at = gone_at;
        self.recent.remember(operation, REMEMBERED_OPERATIONS);
    }

    /// Has it looked at when it is gone.
    fn await_end(&mut self, due: &mut Due, now: Instant) {
        if let Some(at) = self.gone_at {
            due.push(now, at, &self.key, &mut self.look);
        }
    }
}

impl RecordShard {
    pub(super) fn get(&self, key: &str, now: Instant) -> Option<Entry> {
        self.slots.get(key).and_then(|slot| slot.entry(now))
    }

    pub(super) fn put(&mut self, request: &PutRequest, now: Instant) -> Put {
        self.sweep(now);
        let version = Version::from(request.operation);
        let operation = request.operation.to_bits();
        let slot = self.slots.get_mut(&*request.key);
        if slot
            .as_ref()
            .is_some_and(|slot| slot.was_done(operation, now))
        {
            return Put::Stored(version);
        }
        let current = slot.as_ref().and_then(|slot| slot.entry(now));
        if !request.condition.holds(current.as_ref()) {
            return Put::Conflict(current);
        }
        let slot = if let Some(slot) = slot {
            slot
        } else {
            let slot = Box::new(Slot::new(&request.key));
            self.slots.entry(Arc::clone(&slot.key)).or_insert(slot)
        };
        let live = Live {
            value: request.value.clone(),
            version,
        };
        let gone_at = request.ttl.map(|ttl| now + ttl);
        slot.write(Some(live), gone_at, operation, now);
        if request.listed && !slot.is_listed {
            slot.is_listed = true;
            self.listed.insert(Arc::clone(&slot.key));
        }
        slot.await_end(&mut self.due, now);
        if !request.quiet {
            self.watchers.wake(&request.key);
        }
        Put::Stored(version)
    }

    pub(super) fn delete(&mut self, request: &DeleteRequest, now: Instant) -> bool {
        self.sweep(now);
        let operation = request.operation.to_bits();
        let Some(slot) = self.slots.get_mut(&*request.key) else {
            return false;
        };
        if slot.was_done(operation, now) {
            return true;
        }
        let current = slot.entry(now);
        if current.is_none() || !request.condition.holds(current.as_ref()) {
            return false;
        }
        let gone_at = now + STONE_LASTS;
        slot.write(None, Some(gone_at), operation, now);
        slot.await_end(&mut self.due, now);
        self.watchers.wake(&request.key);
        true
    }

    pub(super) fn list(
        &self,
        request: &ListRequest,
        now: Instant,
        into: &mut Vec<(String, Entry)>,
    ) {
        let from = match &request.after {
            Some(after) if *after >= request.prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(request.prefix.as_str()),
        };
        let found = self
            .listed
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|key| key.starts_with(&request.prefix))
            .filter_map(|key| Some((key.as_ref().to_owned(), self.get(key, now)?)))
            .take(request.limit.saturating_add(1));
        into.extend(found);
    }

    pub(super) fn names(&self, prefix: &str, now: Instant) -> Vec<String> {
        self.slots
            .iter()
            .filter(|(key, slot)| key.starts_with(prefix) && slot.entry(now).is_some())
            .map(|(key, _)| key.as_ref().to_owned())
            .collect()
    }

    /// Amortized: each write looks at as many as it can have put in, and one more.
    fn sweep(&mut self, now: Instant) {
        for _ in 0..SWEPT_PER_WRITE {
            let Some(key) = self.due.pop(now) else {
                return;
            };
            let Some(slot) = self.slots.get_mut(&key) else {
                continue;
            };
            if !slot.look.has_come(now) {
                continue;
            }
            if slot.is_gone(now) {
                if slot.is_listed {
                    self.listed.remove(&key);
                }
                self.slots.remove(&key);
            } else {
                slot.await_end(&mut self.due, now);
            }
        }
    }
}
