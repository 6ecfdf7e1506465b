//! The store in this process's memory: for tests, for single-process services, and as the reference that
//! the conformance suite was written against.
//!
//! It is split into shards by key, each behind a mutex that is never held across an await. Time is tokio's,
//! so `tokio::time::pause()` works. Waiters are woken exactly.

mod due;
mod leases;
mod logs;
mod recent;
mod records;

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rapidhash::fast::RandomState;
use tokio::time::Instant;

use self::leases::LeaseShard;
use self::logs::LogShard;
use self::records::RecordShard;
use super::{
    Acquired, Append, AppendRequest, Capabilities, ClockSource, Consistency, Contender,
    DeleteRequest, Durability, Entry, Examination, FencingToken, LeaseId, LeaseRequest,
    ListRequest, Page, Put, PutRequest, Renewal, Renewed, ReplicaLoss, Result, RoundTrips,
    ScanPage, ScanRequest, Scanned, Store, TokensGrow, WakeSender, Watch, Watched, lease, limits,
};

const SHARDS: usize = 32;

/// A store in this process's memory.
///
/// Everything is gone when it is dropped. Cloning is not possible on purpose; share it as
/// `Arc<MemoryStore>`, or share the [`Coordinator`](crate::Coordinator) that has it.
///
/// ```
/// use coord::{Coordinator, store::MemoryStore};
///
/// let coord = Coordinator::builder().store(MemoryStore::new()).build();
/// # let _ = coord;
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    leases: Shards<LeaseShard>,
    records: Shards<RecordShard>,
    logs: Shards<LogShard>,
    tokens: AtomicU64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            leases: Shards::default(),
            records: Shards::default(),
            logs: Shards::default(),
            tokens: AtomicU64::new(lease::first_token()),
        }
    }

    fn next_token(&self, floor: Option<FencingToken>) -> FencingToken {
        if let Some(floor) = floor {
            self.tokens
                .fetch_max(u64::from(floor).saturating_sub(1), Ordering::Relaxed);
        }
        FencingToken::new(self.tokens.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        limits::check_key("get", key)?;
        take_a_turn().await;
        Ok(self.records.of(key).get(key, Instant::now()))
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        request.check()?;
        take_a_turn().await;
        Ok(self.records.of(&request.key).put(request, Instant::now()))
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        request.check()?;
        take_a_turn().await;
        Ok(self
            .records
            .of(&request.key)
            .delete(request, Instant::now()))
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        take_a_turn().await;
        let now = Instant::now();
        let mut entries = Vec::new();
        for shard in self.records.all() {
            shard.list(request, now, &mut entries);
        }
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let more = entries.len() > request.limit;
        entries.truncate(request.limit);
        let next = entries.last().filter(|_| more).map(|(key, _)| key.clone());
        Ok(Page { entries, next })
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        request.check()?;
        take_a_turn().await;
        let mut shard = self.leases.of(&request.lease.resource);
        Ok(shard.acquire(request, Instant::now(), || {
            self.next_token(request.token_floor)
        }))
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        take_a_turn().await;
        let now = Instant::now();
        let renew = |renewal: &Renewal| {
            renewal.check()?;
            Ok(self.leases.of(&renewal.lease.resource).renew(renewal, now))
        };
        renewals.iter().map(renew).collect()
    }

    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        Ok(self
            .leases
            .of(&lease.resource)
            .release(lease, Instant::now()))
    }

    async fn inspect_lease(&self, resource: &str) -> Result<Vec<Contender>> {
        limits::check_name("inspect", resource)?;
        take_a_turn().await;
        Ok(self
            .leases
            .of(resource)
            .inspect(&resource.into(), Instant::now()))
    }

    async fn append_log(&self, request: &AppendRequest) -> Result<Append> {
        request.check()?;
        take_a_turn().await;
        Ok(self.logs.of(&request.log).append(request, Instant::now()))
    }

    async fn read_log(&self, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
        limits::check_name("read", log)?;
        take_a_turn().await;
        Ok(self.logs.of(log).read(log, from, limit, Instant::now()))
    }

    async fn expire_log(&self, log: &str, ttl: Duration) -> Result<()> {
        limits::check_name("expire", log)?;
        limits::check_ttl("expire", ttl)?;
        self.logs.of(log).expire(log, ttl, Instant::now());
        Ok(())
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        Ok(match watched {
            Watched::Record(key) => self.records.of(key).watchers.watch(key),
            Watched::Lease(resource) => self.leases.of(resource).watchers.watch(resource),
            Watched::Log(log) => self.logs.of(log).watchers.watch(log),
        })
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        let now = Instant::now();
        let prefix = &*request.prefix;
        let names = match request.what {
            Scanned::Records => {
                let shards = self.records.all();
                shards.flat_map(|shard| shard.names(prefix, now)).collect()
            }
            Scanned::Leases => {
                let shards = self.leases.all();
                shards.flat_map(|shard| shard.names(prefix)).collect()
            }
        };
        Ok(ScanPage { names, next: None })
    }

    async fn examine(&self) -> Result<Examination> {
        Ok(Examination::unknown()
            .server("this process's memory")
            .warn("everything is in the memory of this process: no other process sees it, and it is gone with this one"))
    }

    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::unknown()
            .with_scans(true)
            .with_consistency(Consistency::SingleNode)
            .with_native_wake_ups(true)
            .with_clock(ClockSource::Process)
            .with_durability(Durability::None)
            .with_replica_loss(ReplicaLoss::NoReplicas)
            .with_tokens(TokensGrow::AcrossDataLoss)
            .with_round_trips(RoundTrips::each(0))
    }
}

/// Lets others on this thread go on now and then. Nothing in memory is waited for, so whoever asks again and again would
/// keep them from it. A release is not counted: it takes an acquisition, which is.
async fn take_a_turn() {
    tokio::task::consume_budget().await;
}

/// One kind of thing, spread over mutexes by key.
#[derive(Debug)]
struct Shards<T> {
    shards: Vec<Mutex<T>>,
    hasher: RandomState,
}

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl<T> Shards<T> {
    fn of(&self, key: &str) -> MutexGuard<'_, T> {
        let hash = self.hasher.hash_one(key);
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Who watches what, by key. Watches that were dropped are swept out when the map has doubled.
#[derive(Debug, Default)]
struct Watchers {
    by_key: std::collections::HashMap<Box<str>, Vec<WakeSender>>,
    sweep_at: usize,
}

impl Watchers {
    fn watch(&mut self, key: &str) -> Watch {
        if self.by_key.len() >= self.sweep_at {
            self.by_key
                .retain(|_, senders| senders.iter().any(WakeSender::is_watched));
            self.sweep_at = 2 * self.by_key.len() + 16;
        }
        let (sender, watch) = Watch::channel();
        let senders = self.by_key.entry(key.into()).or_default();
        senders.retain(WakeSender::is_watched);
        senders.push(sender);
        watch
    }

    fn wake(&self, key: &str) {
        if !self.by_key.is_empty()
            && let Some(senders) = self.by_key.get(key)
        {
            for sender in senders {
                sender.wake(super::Wake::Look);
            }
        }
    }
}
