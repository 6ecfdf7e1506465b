//! The store in one Redis or Valkey server.
//!
//! - [`link`] keeps one multiplexed connection, with the epoch of tokens that holds for it.
//! - [`script`] names the scripts; each primitive operation is one of them, and one round trip.
//! - [`leases`], [`records`] and [`logs`] turn requests into scripts' arguments and replies into answers.
//! - [`past`] remembers contenders that have left, and [`receipts`] where the server notes it.
//! - [`subscriptions`] asks for the server's messages to those who wait.
//! - [`failure`] says of each error of the client library whether the operation may have been done.

mod failure;
mod leases;
mod link;
mod logs;
mod past;
mod receipts;
mod records;
mod script;
mod subscriptions;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use self::link::Link;
use super::{
    Acquired, Append, AppendRequest, Capabilities, ClockSource, Consistency, Contender,
    DeleteRequest, Durability, Entry, LeaseId, LeaseRequest, ListRequest, Page, Put, PutRequest,
    Renewal, Renewed, ReplicaLoss, Result, RoundTrips, Store, TokensGrow, Watch, Watched, limits,
};
use crate::error::Error;

/// How long an answer is waited for, unless the builder says otherwise.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A store in one Redis (6.2 or later) or Valkey server, over one multiplexed connection.
///
/// Needs the feature `redis`. When the connection breaks, the next operation makes a new one, and everybody
/// who waits looks again.
///
/// # What it guarantees
///
/// As long as there is one server, every operation is atomic and in order. Redis copies to its replicas
/// without waiting, so a failover can lose what was last written: two can then hold one lease. What never
/// happens is that a later grant has a smaller fencing token, so a resource that checks tokens stays safe.
/// What survives a restart is up to the server's configuration.
///
/// Run the server with `maxmemory-policy noeviction`; any other policy lets it throw leases away.
#[derive(Clone)]
pub struct RedisStore {
    link: Arc<Link>,
}

impl RedisStore {
    /// Connects to `redis://[user:password@]host[:port][/database]`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrl`] if the URL is malformed, [`Error::Store`] if the server cannot be reached or
    /// refuses us. No error shows the URL.
    pub async fn connect(url: &str) -> std::result::Result<Self, Error> {
        Self::builder().connect(url).await
    }

    /// Starts building a store with other settings than the defaults.
    pub fn builder() -> RedisStoreBuilder {
        RedisStoreBuilder {
            response_timeout: RESPONSE_TIMEOUT,
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

/// Builds a [`RedisStore`].
#[derive(Debug, Clone)]
#[must_use = "call `connect`"]
pub struct RedisStoreBuilder {
    response_timeout: Duration,
}

impl RedisStoreBuilder {
    /// How long to wait for the server, to connect and for each answer. The default is 2 seconds. Past it the
    /// connection is taken for broken, and the operation for perhaps done.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Connects. See [`RedisStore::connect`].
    ///
    /// # Errors
    ///
    /// As [`RedisStore::connect`].
    pub async fn connect(self, url: &str) -> std::result::Result<RedisStore, Error> {
        let link = Link::open(url, self.response_timeout)?;
        link.current().await?;
        Ok(RedisStore { link })
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        limits::check_key("get", key)?;
        records::get(&self.link, key).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        request.check()?;
        records::put(&self.link, request).await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        request.check()?;
        records::delete(&self.link, request).await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        records::list(&self.link, request).await
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        request.check()?;
        leases::acquire(&self.link, request).await
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        leases::renew(&self.link, renewals).await
    }

    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        leases::release(&self.link, lease).await
    }

    async fn inspect_lease(&self, resource: &str) -> Result<Vec<Contender>> {
        limits::check_name("inspect", resource)?;
        leases::inspect(&self.link, resource).await
    }

    async fn append_log(&self, request: &AppendRequest) -> Result<Append> {
        request.check()?;
        logs::append(&self.link, request).await
    }

    async fn read_log(&self, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
        limits::check_name("read", log)?;
        logs::read(&self.link, log, from, limit).await
    }

    async fn expire_log(&self, log: &str, ttl: Duration) -> Result<()> {
        limits::check_name("expire", log)?;
        limits::check_ttl("expire", ttl)?;
        logs::expire(&self.link, log, ttl).await
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        match watched {
            Watched::Record(key) => self.link.watch(records::channel(key)).await,
            Watched::Log(log) => self.link.watch(logs::channel(log)).await,
            // A line tells only those who are in it.
            Watched::Lease(_) => Ok(Watch::polling()),
        }
    }

    async fn put_watched(&self, request: &PutRequest) -> Result<(Put, Watch)> {
        request.check()?;
        records::put_watched(&self.link, request).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::unknown()
            .with_consistency(Consistency::AsyncReplicated)
            .with_native_wake_ups(true)
            .with_clock(ClockSource::Server)
            .with_durability(Durability::AsConfigured)
            .with_replica_loss(ReplicaLoss::Latest)
            .with_tokens(TokensGrow::AcrossFailover)
            .with_round_trips(RoundTrips::each(1))
    }
}

/// A ttl in whole milliseconds, rounded up.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
