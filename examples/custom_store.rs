//! A store of one's own: four methods over a table, and it passes the suite that all stores of `coord` pass.
//!
//! `cargo run --example custom_store`
//!
//! Leases, logs and wake-ups are made of the four by default. A store whose backend can do more natively overrides more.
//! What all of them have to keep is in the documentation of `coord::store`: conditions are checked in one go with the
//! write, an operation that comes twice takes effect once, versions never come again, and what has expired is not there.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use coord::store::{
    DeleteRequest, Entry, ListRequest, OperationId, Page, Put, PutRequest, Result, Store, Version,
};
use coord::testing::store_conformance;
use coord::{Coordinator, StoreError, StoreErrorKind, idempotent, locked};
use tokio::time::Instant;

/// How many operations of a row are remembered, and for how long after it is deleted: as long as a client may send the
/// same one again.
const REMEMBERED: usize = 16;
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// The user's database: rows in a map, and one mutex for a transaction.
#[derive(Default)]
struct MyStore {
    rows: Mutex<BTreeMap<String, Row>>,
}

/// A record; or, after it was deleted, the operations that got that far.
#[derive(Default)]
struct Row {
    record: Option<(bytes::Bytes, Version)>,
    listed: bool,
    gone_at: Option<Instant>,
    recent: VecDeque<OperationId>,
}

impl Row {
    fn entry(&self) -> Option<Entry> {
        let (value, version) = self.record.clone()?;
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        Some(Entry {
            value,
            version,
            expires_in: self.gone_at.map(left),
        })
    }

    fn remember(&mut self, operation: OperationId) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(operation);
    }
}

impl MyStore {
    /// Begins a transaction, in which what has expired is not there.
    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, Row>> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        rows.retain(|_, row| row.gone_at.is_none_or(|at| at > now));
        rows
    }
}

#[async_trait]
impl Store for MyStore {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        check_key(key)?;
        Ok(self.rows().get(key).and_then(Row::entry))
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        request.check()?;
        let mut rows = self.rows();
        let row = rows.entry(request.key.clone()).or_default();
        if row.recent.contains(&request.operation) {
            return Ok(Put::Stored(request.operation.into()));
        }
        let there = row.entry();
        if !request.condition.holds(there.as_ref()) {
            return Ok(Put::Conflict(there));
        }
        row.record = Some((request.value.clone(), request.operation.into()));
        row.listed = request.listed;
        row.gone_at = request.ttl.map(|ttl| Instant::now() + ttl);
        row.remember(request.operation);
        Ok(Put::Stored(request.operation.into()))
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        request.check()?;
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(&request.key) else {
            return Ok(false);
        };
        if row.recent.contains(&request.operation) {
            return Ok(true);
        }
        let there = row.entry();
        if there.is_none() || !request.condition.holds(there.as_ref()) {
            return Ok(false);
        }
        row.record = None;
        row.gone_at = Some(Instant::now() + REMEMBERED_FOR);
        row.remember(request.operation);
        Ok(true)
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        let rows = self.rows();
        let mut found = rows
            .range(request.prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&request.prefix))
            .filter(|(key, row)| {
                row.listed && request.after.as_ref().is_none_or(|after| *key > after)
            })
            .filter_map(|(key, row)| Some((key.clone(), row.entry()?)));
        let entries: Vec<_> = found.by_ref().take(request.limit).collect();
        let has_more = found.next().is_some();
        let next = entries.last().map(|(key, _)| key.clone());
        Ok(Page {
            entries,
            next: next.filter(|_| has_more),
        })
    }
}

/// What a request with more than a key checks by itself.
fn check_key(key: &str) -> Result<()> {
    let refused = |_| StoreError::new(StoreErrorKind::Rejected, "get", "the key cannot be used");
    DeleteRequest::new(key).check().map_err(refused)
}

#[locked("order:<id>")]
async fn process(id: u64) -> std::result::Result<u64, coord::Error> {
    pay(id).await
}

#[idempotent("payment:<id>")]
async fn pay(id: u64) -> std::result::Result<u64, coord::Error> {
    Ok(id * 100)
}

/// A paused clock, so that ttls pass at once. A store with a clock of its own is tested without.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    // It panics with the names of the cases that fail.
    store_conformance(|| async { MyStore::default() }).await;

    let coord = Coordinator::builder().store(MyStore::default()).build();
    coord.install()?;
    assert_eq!(process(42).await?, 4200);
    assert_eq!(process(42).await?, 4200, "replayed");
    println!("all cases pass, and locks and payments work on it");
    coord.shutdown().await;
    Ok(())
}
