//! Records in memory.
//!
//! A deleted record leaves a stone behind for a minute: the ids of what was done to it, so that a repeated
//! request is recognised. Stones and expired records are swept a few at a time, with each write.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Watchers;
use super::recent::Recent;
use crate::store::{DeleteRequest, Entry, ListRequest, Put, PutRequest, Version};

const REMEMBERED_OPERATIONS: usize = 9;
const STONE_LASTS: Duration = Duration::from_secs(60);
const SWEPT_PER_WRITE: usize = 2;

#[derive(Debug, Default)]
pub(super) struct RecordShard {
    slots: BTreeMap<String, Slot>,
    due: BinaryHeap<Reverse<(Instant, String)>>,
    pub(super) watchers: Watchers,
}

#[derive(Debug)]
struct Slot {
    /// `None` once deleted.
    live: Option<Live>,
    gone_at: Option<Instant>,
    recent: Recent,
}

#[derive(Debug)]
struct Live {
    value: Bytes,
    version: Version,
}

impl Slot {
    fn entry(&self, now: Instant) -> Option<Entry> {
        let live = self.live.as_ref()?;
        let expires_in = match self.gone_at {
            Some(gone_at) if gone_at <= now => return None,
            gone_at => gone_at.map(|at| at - now),
        };
        Some(Entry {
            value: live.value.clone(),
            version: live.version,
            expires_in,
        })
    }
}

impl RecordShard {
    pub(super) fn get(&self, key: &str, now: Instant) -> Option<Entry> {
        self.slots.get(key).and_then(|slot| slot.entry(now))
    }

    pub(super) fn put(&mut self, request: &PutRequest, now: Instant) -> Put {
        self.sweep(now);
        let version = Version::from(request.operation);
        if self.was_done(&request.key, request.operation.to_bits(), now) {
            return Put::Stored(version);
        }
        let current = self.get(&request.key, now);
        if !request.condition.holds(current.as_ref()) {
            return Put::Conflict(current);
        }
        let gone_at = request.ttl.map(|ttl| now + ttl);
        self.write(
            &request.key,
            Some(Live {
                value: request.value.clone(),
                version,
            }),
            gone_at,
            request.operation.to_bits(),
            now,
        );
        if !request.quiet {
            self.watchers.wake(&request.key);
        }
        Put::Stored(version)
    }

    pub(super) fn delete(&mut self, request: &DeleteRequest, now: Instant) -> bool {
        self.sweep(now);
        if self.was_done(&request.key, request.operation.to_bits(), now) {
            return true;
        }
        let current = self.get(&request.key, now);
        if current.is_none() || !request.condition.holds(current.as_ref()) {
            return false;
        }
        self.write(
            &request.key,
            None,
            Some(now + STONE_LASTS),
            request.operation.to_bits(),
            now,
        );
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
            .slots
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(&request.prefix))
            .filter_map(|(key, slot)| Some((key.clone(), slot.entry(now)?)))
            .take(request.limit.saturating_add(1));
        into.extend(found);
    }

    pub(super) fn names(&self, prefix: &str, now: Instant) -> Vec<String> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        self.slots
            .range::<str, _>(from)
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, slot)| slot.entry(now).is_some())
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn was_done(&self, key: &str, operation: u128, now: Instant) -> bool {
        let slot = self
            .slots
            .get(key)
            .filter(|slot| slot.gone_at.is_none_or(|at| at > now));
        slot.is_some_and(|slot| slot.recent.contains(operation))
    }

    fn write(
        &mut self,
        key: &str,
        live: Option<Live>,
        gone_at: Option<Instant>,
        operation: u128,
        now: Instant,
    ) {
        let empty = || Slot {
            live: None,
            gone_at: None,
            recent: Recent::default(),
        };
        let slot = self.slots.entry(key.to_owned()).or_insert_with(empty);
        if slot.gone_at.is_some_and(|at| at <= now) {
            *slot = empty();
        }
        slot.live = live;
        slot.gone_at = gone_at;
        slot.recent.remember(operation, REMEMBERED_OPERATIONS);
        if let Some(at) = gone_at {
            self.due.push(Reverse((at, key.to_owned())));
        }
    }

    /// Amortized: each write takes out as many as it can have put in, and one more.
    fn sweep(&mut self, now: Instant) {
        for _ in 0..SWEPT_PER_WRITE {
            match self.due.peek() {
                Some(Reverse((at, _))) if *at <= now => {}
                _ => return,
            }
            let Some(Reverse((_, key))) = self.due.pop() else {
                return;
            };
            if self
                .slots
                .get(&key)
                .is_some_and(|slot| slot.gone_at.is_some_and(|at| at <= now))
            {
                self.slots.remove(&key);
            }
        }
    }
}
