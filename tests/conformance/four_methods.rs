//! A store as a user would write it: the four record methods over a map, and nothing else.
//!
//! It does no more than the contract asks: it lists only what was put to be listed, and remembers only as
//! many operations as it must.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use coord::store::{
    DeleteRequest, Entry, ListRequest, OperationId, Page, Put, PutRequest, Result, Store, Version,
};
use coord::{StoreError, StoreErrorKind};
use tokio::time::Instant;

const REMEMBERED: usize = 9;
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// Records in a map.
#[derive(Debug, Default)]
pub(crate) struct FourMethods {
    slots: Mutex<BTreeMap<String, Slot>>,
}

/// A record, or what is remembered of a deleted one.
#[derive(Debug, Default)]
struct Slot {
    record: Option<(bytes::Bytes, Version)>,
    listed: bool,
    gone_at: Option<Instant>,
    recent: VecDeque<OperationId>,
}

impl Slot {
    fn entry(&self) -> Option<Entry> {
        let (value, version) = self.record.clone()?;
        let expires_in = self
            .gone_at
            .map(|at| at.saturating_duration_since(Instant::now()));
        Some(Entry {
            value,
            version,
            expires_in,
        })
    }

    fn is_gone(&self) -> bool {
        self.gone_at.is_some_and(|at| at <= Instant::now())
    }

    fn remember(&mut self, operation: OperationId) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(operation);
    }
}

impl FourMethods {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| !slot.is_gone());
        slots
    }
}

#[async_trait]
impl Store for FourMethods {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        check_key(key)?;
        Ok(self.slots().get(key).and_then(Slot::entry))
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        request.check()?;
        let mut slots = self.slots();
        let slot = slots.entry(request.key.clone()).or_default();
        if slot.recent.contains(&request.operation) {
            return Ok(Put::Stored(request.operation.into()));
        }
        let there = slot.entry();
        if !request.condition.holds(there.as_ref()) {
            return Ok(Put::Conflict(there));
        }
        slot.record = Some((request.value.clone(), request.operation.into()));
        slot.listed = request.listed;
        slot.gone_at = request.ttl.map(|ttl| Instant::now() + ttl);
        slot.remember(request.operation);
        Ok(Put::Stored(request.operation.into()))
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        request.check()?;
        let mut slots = self.slots();
        let Some(slot) = slots.get_mut(&request.key) else {
            return Ok(false);
        };
        if slot.recent.contains(&request.operation) {
            return Ok(true);
        }
        let there = slot.entry();
        if there.is_none() || !request.condition.holds(there.as_ref()) {
            return Ok(false);
        }
        slot.record = None;
        slot.gone_at = Some(Instant::now() + REMEMBERED_FOR);
        slot.remember(request.operation);
        Ok(true)
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        let slots = self.slots();
        let mut found = slots
            .iter()
            .filter(|(key, slot)| slot.listed && key.starts_with(&request.prefix))
            .filter(|(key, _)| request.after.as_ref().is_none_or(|after| *key > after))
            .filter_map(|(key, slot)| Some((key.clone(), slot.entry()?)));
        let entries: Vec<_> = found.by_ref().take(request.limit).collect();
        let next = found
            .next()
            .and_then(|_| entries.last().map(|(key, _)| key.clone()));
        Ok(Page { entries, next })
    }
}

/// What a request with more than a key checks by itself.
fn check_key(key: &str) -> Result<()> {
    DeleteRequest::new(key)
        .check()
        .map_err(|_| StoreError::new(StoreErrorKind::Rejected, "get", "the key cannot be used"))
}
