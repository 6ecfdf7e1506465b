//! The store in a Redis or Valkey server, or in a cluster of them.
//!
//! - [`links`] says by which link a key is reached. A [`link`] keeps one multiplexed [`connection`], with the epoch of
//!   tokens that holds for it.
//! - [`cluster`] follows the slots of a cluster: its keys are spread over [`partitions`], its [`nodes`] have them according
//!   to their [`topology`], and tell of changes by [`hearing`]. [`seeds`] are the nodes that a URL names.
//! - [`names`] makes the names of keys and channels, and [`script`] names the scripts; each primitive operation is one of them, and one round trip.
//! - [`leases`], [`records`] and [`logs`] turn requests into scripts' arguments and replies into answers; [`listing`] lists records.
//! - [`sweep`] takes names of what has expired out of the index that [`listing`] reads.
//! - [`past`] remembers contenders that have left, and [`receipts`] where the server notes it.
//! - [`subscriptions`] asks for the server's messages to those who wait, and [`listening`] takes them in.
//! - [`servers`] says which server to connect to, [`sentinel`] asks for it, and [`tls`] has certificates.
//! - [`replicas`] waits until replicas have what was written.
//! - [`scan`] finds the names of everything, and [`examine`] asks the server about itself, for people who look.
//! - [`failure`] says of each error of the client library whether the operation may have been done.

mod builder;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod connection;
mod examine;
mod failure;
#[cfg(feature = "redis-cluster")]
mod hearing;
mod leases;
mod link;
mod links;
mod listening;
mod listing;
mod logs;
mod names;
#[cfg(feature = "redis-cluster")]
mod nodes;
#[cfg(feature = "redis-cluster")]
mod partitions;
mod past;
mod receipts;
mod records;
mod replicas;
mod scan;
mod script;
#[cfg(feature = "redis-cluster")]
mod seeds;
#[cfg(feature = "redis-sentinel")]
mod sentinel;
mod servers;
mod subscriptions;
mod sweep;
mod tls;
#[cfg(feature = "redis-cluster")]
mod topology;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::builder::RedisStoreBuilder;
use self::links::Links;
use self::replicas::replicated;
use self::sweep::Sweeping;
use super::{
    Acquired, Append, AppendRequest, Capabilities, ClockSource, Consistency, Contender,
    DeleteRequest, Durability, Entry, Examination, LeaseId, LeaseRequest, ListRequest, Page, Put,
    PutRequest, Renewal, Renewed, ReplicaLoss, Result, RoundTrips, ScanPage, ScanRequest, Store,
    TokensGrow, Watch, Watched, defaults, limits,
};
use crate::error::Error;

/// A store in one Redis (6.2 or later) or Valkey server, over one multiplexed connection; or in a cluster of them.
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
/// | `redis+cluster://[user:password@]host[:port],host[:port]` | the cluster that these nodes are a part of; needs the feature `redis-cluster` |
/// | `rediss+cluster://…` | the same, all nodes encrypted; needs that and `tls` |
///
/// What the Sentinels ask for is given as `?sentinel_user=…&sentinel_password=…`. They are asked again whenever a
/// connection is made, and they end the connections to a primary that they demote, so that a failover is followed at
/// once. Name all of them: of those that answer, the one with the latest configuration counts, once it is a majority.
///
/// # Clusters
///
/// A cluster needs Redis 7 or later, or Valkey: waiters are woken by sharded channels, which a cluster does not carry to all of
/// its nodes. Name some of its nodes; the others are learnt from them. There is no more to set up, and nothing that would have
/// to be in one slot.
///
/// - Keys are spread over 256 slots. Each has its leases and the counter of their tokens, so that both move together when
///   the slot is moved, and an operation is one request to one node.
/// - A failover is followed, and so is a slot that moves. What is refused meanwhile is sent again, to whichever node has the
///   slot, until the response timeout has passed. One that fails does so within five times of it at most, if a node hangs, and
///   most often within once.
/// - While the keys of a slot are on the way from one node to another, locks and idempotent calls that are in it wait. What
///   is one key is served: logs, and records that are read.
/// - Records of all nodes are listed in their order.
/// - Each master has two connections from a process, and a third with `min_replicas`.
///
/// Encrypted nodes need `tls-cluster yes`, to tell the ports for that, and certificates for the addresses that they announce
/// (`cluster-announce-hostname` with `cluster-preferred-endpoint-type hostname`, or the addresses themselves).
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
/// On each node of a cluster, where names begin with a tag of five letters:
///
/// ```text
/// ACL SETUSER coord on >PASSWORD resetchannels &{?????}coord:* ~{?????}{shop/* ~{?????}{coord* +@read +@write +@scripting
///     +@pubsub +@connection +info +time -@dangerous +info +wait -keys +cluster|info +cluster|slots
///     +cluster|countkeysinslot +cluster|getkeysinslot
/// ```
///
/// # What it guarantees
///
/// As long as there is one server, every operation is atomic and in order. Redis copies to its replicas
/// without waiting, so a failover can lose what was last written: two can then hold one lease. What never
/// happens is that a later grant has a smaller fencing token, so a resource that checks tokens stays safe.
/// What survives a restart is up to the server's configuration. In a cluster, each slot has one server at a time in
/// this sense, and the same holds when a slot moves.
///
/// Tokens grow across failovers as long as the clocks of the servers that take over from each other are apart by less than
/// the time between two failovers.
///
/// Run the server with `maxmemory-policy noeviction`; any other policy lets it throw leases away.
#[derive(Clone)]
pub struct RedisStore {
    links: Arc<Links>,
    _sweeping: Arc<Sweeping>,
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
    fn of(links: Links, sweep_every: Duration) -> Self {
        let links = Arc::new(links);
        Self {
            _sweeping: Arc::new(sweep::begin(&links, sweep_every)),
            links,
        }
    }

    /// The acknowledgement of replicas costs another one.
    fn round_trips(&self) -> RoundTrips {
        if !self.links.wait_for_replicas() {
            return RoundTrips::each(1);
        }
        RoundTrips {
            release: 1,
            ..RoundTrips::each(2)
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
        records::get(self.links.of(key), key).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        request.check()?;
        let link = self.links.of(&request.key);
        replicated(link, "put", records::put(link, request), is_stored).await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        request.check()?;
        let link = self.links.of(&request.key);
        let delete = records::delete(link, request);
        replicated(link, "delete", delete, |deleted| *deleted).await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        listing::list(&self.links, request).await
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        request.check()?;
        let link = self.links.of(&request.lease.resource);
        let acquire = leases::acquire(link, request);
        let is_granted = |acquired: &Acquired| matches!(acquired, Acquired::Granted(_));
        replicated(link, "acquire", acquire, is_granted).await
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        leases::renew(|resource| self.links.of(resource), renewals).await
    }

    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        leases::release(self.links.of(&lease.resource), lease).await
    }

    async fn inspect_lease(&self, resource: &str) -> Result<Vec<Contender>> {
        limits::check_name("inspect", resource)?;
        leases::inspect(self.links.of(resource), resource).await
    }

    async fn append_log(&self, request: &AppendRequest) -> Result<Append> {
        request.check()?;
        let link = self.links.of(&request.log);
        let append = logs::append(link, request);
        let is_appended = |answer: &Append| matches!(answer, Append::Appended);
        replicated(link, "append", append, is_appended).await
    }

    async fn read_log(&self, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
        limits::check_name("read", log)?;
        logs::read(self.links.of(log), log, from, limit).await
    }

    async fn expire_log(&self, log: &str, ttl: Duration) -> Result<()> {
        limits::check_name("expire", log)?;
        limits::check_ttl("expire", ttl)?;
        logs::expire(self.links.of(log), log, ttl).await
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        match watched {
            Watched::Record(key) => {
                let link = self.links.of(key);
                link.watch(link.names.record_channel(key)).await
            }
            Watched::Log(log) => {
                let link = self.links.of(log);
                link.watch(link.names.log_channel(log)).await
            }
            // A line tells only those who are in it.
            Watched::Lease(_) => Ok(Watch::polling()),
        }
    }

    async fn put_watched(&self, request: &PutRequest) -> Result<(Put, Watch)> {
        request.check()?;
        let link = self.links.of(&request.key);
        let put = records::put_watched(link, request);
        replicated(link, "put", put, |(put, _)| is_stored(put)).await
    }

    async fn put_after(&self, first: &PutRequest, request: &PutRequest) -> Result<Put> {
        first.check()?;
        request.check()?;
        let (link, first_link) = (self.links.of(&request.key), self.links.of(&first.key));
        if !Arc::ptr_eq(link, first_link) {
            return defaults::records::put_after(self, first, request).await;
        }
        let put = records::put_after(link, first, request);
        replicated(link, "put", put, is_stored).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        scan::scan(&self.links, request).await
    }

    async fn examine(&self) -> Result<Examination> {
        examine::examine(self.links.of("")).await
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
