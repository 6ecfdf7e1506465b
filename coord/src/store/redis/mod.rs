//! The store in one Redis or Valkey server.
//!
//! - [`link`] keeps one multiplexed connection, with the epoch of tokens that holds for it.
//! - [`script`] names the scripts; each primitive operation is one of them, and one round trip.
//! - [`leases`], [`records`] and [`logs`] turn requests into scripts' arguments and replies into answers.
//! - [`past`] remembers contenders that have left, and [`receipts`] where the server notes it.
//! - [`subscriptions`] asks for the server's messages to those who wait.
//! - [`servers`] says which server to connect to, [`sentinel`] asks for it, and [`tls`] has certificates.
//! - [`replicas`] waits until replicas have what was written.
//! - [`scan`] finds the names of everything, and [`examine`] asks the server about itself, for people who look.
//! - [`failure`] says of each error of the client library whether the operation may have been done.

mod builder;
mod examine;
mod failure;
mod leases;
mod link;
mod logs;
mod past;
mod receipts;
mod records;
mod replicas;
mod scan;
mod script;
#[cfg(feature = "redis-sentinel")]
mod sentinel;
mod servers;
mod subscriptions;
mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::builder::RedisStoreBuilder;
use self::link::Link;
use self::replicas::replicated;
use super::{
    Acquired, Append, AppendRequest, Capabilities, ClockSource, Consistency, Contender,
    DeleteRequest, Durability, Entry, Examination, LeaseId, LeaseRequest, ListRequest, Page, Put,
    PutRequest, Renewal, Renewed, ReplicaLoss, Result, RoundTrips, ScanPage, ScanRequest, Store,
    TokensGrow, Watch, Watched, limits,
};
use crate::error::Error;

/// A store in one Redis (6.2 or later) or Valkey server, over one multiplexed connection.
///
/// Needs the feature `redis`. When the connection breaks, the next operation makes a new one, and everybody
/// who waits looks again.
///
/// # URLs
///
/// | URL | server |
/// |---|---|
/// | `redis://[user:password@]host[:port][/database]` | this one |
/// | `rediss://…` | this one, encrypted; needs the feature `tls` |
/// | `redis+sentinel://[user:password@]host[:port],host[:port]/NAME[/database]` | the primary that these Sentinels know by the name; needs the feature `redis-sentinel` |
/// | `rediss+sentinel://…` | the same, Sentinels and servers encrypted; needs both |
///
/// What the Sentinels ask for is given as `?sentinel_user=…&sentinel_password=…`. They are asked again whenever a
/// connection is made, and they end the connections to a primary that they demote, so that a failover is followed at
/// once. Name all of them: of those that answer, the one with the latest configuration counts, once it is a majority.
///
/// # Permissions
///
/// A user of the server's own, which can do what this store does and nothing else, with `shop` for the namespace:
///
/// ```text
/// ACL SETUSER coord on >PASSWORD resetchannels &coord:* ~{shop/* ~{coord* +@read +@write +@scripting +@pubsub
///     +@connection +info +time -@dangerous +info +wait -keys
/// ```
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
    /// Connects to what the URL names: see [above](Self#urls).
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
        RedisStoreBuilder::new()
    }
}

impl RedisStore {
    /// The acknowledgement of replicas costs another one.
    fn round_trips(&self) -> RoundTrips {
        match self.link.replicas {
            None => RoundTrips::each(1),
            Some(_) => RoundTrips {
                release: 1,
                ..RoundTrips::each(2)
            },
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
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
        let put = records::put(&self.link, request);
        replicated(&self.link, "put", put, is_stored).await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        request.check()?;
        let delete = records::delete(&self.link, request);
        replicated(&self.link, "delete", delete, |deleted| *deleted).await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        records::list(&self.link, request).await
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        request.check()?;
        let acquire = leases::acquire(&self.link, request);
        let is_granted = |acquired: &Acquired| matches!(acquired, Acquired::Granted(_));
        replicated(&self.link, "acquire", acquire, is_granted).await
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        let renew = async { Ok(leases::renew(&self.link, renewals).await) };
        let is_held = |answers: &Vec<_>| {
            let held = |answer: &Result<_>| matches!(answer, Ok(Renewed::Granted(_)));
            answers.iter().any(held)
        };
        replicated(&self.link, "renew", renew, is_held)
            .await
            .unwrap_or_else(|error| vec![Err(error); renewals.len()])
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
        let append = logs::append(&self.link, request);
        let is_appended = |answer: &Append| matches!(answer, Append::Appended);
        replicated(&self.link, "append", append, is_appended).await
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
        let put = records::put_watched(&self.link, request);
        replicated(&self.link, "put", put, |(put, _)| is_stored(put)).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        scan::scan(&self.link, request).await
    }

    async fn examine(&self) -> Result<Examination> {
        examine::examine(&self.link).await
    }

    fn name(&self) -> &'static str {
        "redis"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::unknown()
            .with_scans(true)
            .with_consistency(Consistency::AsyncReplicated)
            .with_native_wake_ups(true)
            .with_clock(ClockSource::Server)
            .with_durability(Durability::AsConfigured)
            .with_replica_loss(ReplicaLoss::Latest)
            .with_tokens(TokensGrow::AcrossFailover)
            .with_round_trips(self.round_trips())
    }
}

fn is_stored(put: &Put) -> bool {
    matches!(put, Put::Stored(_))
}

/// A ttl in whole milliseconds, rounded up.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
