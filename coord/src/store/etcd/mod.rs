//! The store in etcd.
//!
//! - [`address`] reads the URL, [`tls`] encrypts, [`wire`] is the part of the protocol that is used.
//! - [`link`] keeps a connection to one of the servers, and goes on to the next when it fails; [`login`] says who we are.
//! - [`keys`] says where things stand; [`grants`] lets them end.
//! - [`records`], [`leases`] and [`logs`] turn requests into transactions; [`line`] is a line, [`lines`] are those in which
//!   this process waits, [`spots`] where it stands in them, [`watchers`] what is watched, and [`hearing`] wakes whoever waits.
//! - [`scan`] finds the names of everything, and [`examine`] asks a server about itself, for people who look.
//! - [`failure`] says of each error whether the operation may have been done.
//!
//! # Why it is correct
//!
//! 1. Each operation is one transaction, which compares all that it relies on; so are two puts, of which the second is never
//!    there without the first. What only reads is linearizable.
//! 2. Each transaction that changes something leaves a trace, which it compares as well: the contender's key, the stone of
//!    a release, the key of an operation, the operation in front of an entry. Sent again, to whichever server, it finds the
//!    trace and answers the same. So the [`link`] itself may send it again. A renewal compares which revision wrote the key
//!    last, so a copy of it that comes after the next one changes nothing.
//! 3. A contender's place is the revision that created its key, which no later one precedes; and so is what tells it from
//!    those who have stood at the same key. Who holds follows from the order, and is not taken back ([`line`]).
//! 4. A token is that revision and a base. Whoever enters compares the base. It is raised, never lowered, and begins with
//!    the time: so tokens also grow if the servers lose everything, and begin to count anew.
//! 5. Time is the servers': a key ends with its lease of etcd's, which was granted before the key was put, for longer than
//!    its ttl. One that has ended is absent in every operation at once.
//! 6. A waiter knows the line as it was at a revision, and is told of all who have left since. If something can have been
//!    missed, it looks again.

mod address;
mod examine;
mod failure;
mod grants;
mod hearing;
mod keys;
mod leases;
mod line;
mod lines;
mod link;
mod login;
mod logs;
mod records;
mod scan;
mod spots;
mod tls;
mod watchers;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use self::link::Link;
use super::{
    Acquired, Append, AppendRequest, Capabilities, ClockSource, Consistency, Contender,
    DeleteRequest, Durability, Entry, Examination, LeaseId, LeaseRequest, ListRequest, Page, Put,
    PutRequest, Renewal, Renewed, ReplicaLoss, Result, RoundTrips, ScanPage, ScanRequest, Store,
    TokensGrow, Watch, Watched, defaults, limits,
};
use crate::error::Error;

/// How long an answer is waited for, unless the builder says otherwise.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often something is tried before others are said to be in the way.
const TRIES: usize = 100;
/// The shortest time that the servers let a key last, with the election timeout that they have by default.
const SMALLEST_TTL: Duration = Duration::from_secs(2);

/// A store in an etcd cluster, or one server, 3.4 or later.
///
/// Needs the feature `etcd`. All keys are below one prefix (`coord/`, unless the URL names another). There is one
/// connection at a time, over which many operations are under way together. When it breaks, or its server has no leader, the
/// next server is asked.
///
/// Nothing has to be turned on at the servers. They keep a history of all keys until it is compacted, so let them do that
/// (`--auto-compaction-retention=1h`). With authentication on, the user needs reading and writing for the whole prefix.
///
/// # What it guarantees
///
/// Every operation is atomic and linearizable, across all processes, and what was acknowledged is on the disks of a majority
/// of servers. Fencing tokens grow as long as the cluster keeps its data; and also when it has lost all of it, if the
/// clock of the process that connects first does not go back. After data was restored from an older backup, they do not.
///
/// Time is the servers', which know whole seconds: a ttl is kept for at least as long as it was asked for, and for up to an
/// eighth and two seconds more. A new leader begins to count anew. Before 3.4.26 and 3.5.10, a leader that was
/// slow may have let keys end too early; use a later one.
///
/// # Examples
///
/// ```no_run
/// use coord::{Coordinator, store::EtcdStore};
///
/// # async fn example() -> Result<(), coord::Error> {
/// let store = EtcdStore::connect("etcd://etcd1:2379,etcd2:2379,etcd3:2379/services/shop").await?;
/// let coord = Coordinator::builder().store(store).build();
/// coord.lock("order:42").acquire().await?.release().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct EtcdStore {
    link: Arc<Link>,
}

impl EtcdStore {
    /// Connects to `etcd://[user:password@]host[:port][,host[:port]…][/prefix]`, or `etcds://…` for a connection that is
    /// encrypted.
    ///
    /// For `etcds:`, the servers' certificates must be of those that the system trusts, or of those in the file of the option
    /// `sslrootcert`; `sslcert` and `sslkey` name the files of a certificate of one's own and its key, for servers that ask
    /// for it. All are in PEM.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrl`] if the URL is malformed, [`Error::Store`] if no server can be reached or they refuse us. No
    /// error shows the URL.
    pub async fn connect(url: &str) -> std::result::Result<Self, Error> {
        Self::builder().connect(url).await
    }

    /// Starts building a store with other settings than the defaults.
    pub fn builder() -> EtcdStoreBuilder {
        EtcdStoreBuilder {
            response_timeout: RESPONSE_TIMEOUT,
        }
    }
}

impl fmt::Debug for EtcdStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdStore")
            .field("prefix", &self.link.address.root.prefix())
            .finish_non_exhaustive()
    }
}

/// Builds an [`EtcdStore`].
#[derive(Debug, Clone)]
#[must_use = "call `connect`"]
pub struct EtcdStoreBuilder {
    response_timeout: Duration,
}

impl EtcdStoreBuilder {
    /// How long to wait for an answer, from whichever server. The default is 5 seconds. Past it the operation is taken for
    /// perhaps done.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        // What is added to a time has an end.
        self.response_timeout = timeout.min(limits::LARGEST_TTL);
        self
    }

    /// Connects. See [`EtcdStore::connect`].
    ///
    /// # Errors
    ///
    /// As [`EtcdStore::connect`].
    pub async fn connect(self, url: &str) -> std::result::Result<EtcdStore, Error> {
        let link = Link::begin(address::parse(url)?, self.response_timeout);
        Ok(EtcdStore { link: link.await? })
    }
}

#[async_trait]
impl Store for EtcdStore {
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
        limits::check_name("release", &lease.resource)?;
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
        let root = &self.link.address.root;
        match watched {
            Watched::Record(key) => hearing::record(&self.link, &root.record(key)).await,
            Watched::Lease(resource) => hearing::below(&self.link, &root.line(resource)).await,
            Watched::Log(log) => hearing::below(&self.link, &root.log(log)).await,
        }
    }

    async fn put_watched(&self, request: &PutRequest) -> Result<(Put, Watch)> {
        request.check()?;
        records::put_watched(&self.link, request).await
    }

    async fn put_after(&self, first: &PutRequest, request: &PutRequest) -> Result<Put> {
        first.check()?;
        request.check()?;
        // A transaction may write a key but once.
        if first.key == request.key || first.value.len() > records::SMALL {
            return defaults::records::put_after(self, first, request).await;
        }
        records::put_after(&self.link, first, request).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        scan::scan(&self.link, request).await
    }

    async fn examine(&self) -> Result<Examination> {
        examine::examine(&self.link).await
    }

    fn name(&self) -> &'static str {
        "etcd"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::unknown()
            .with_scans(true)
            .with_consistency(Consistency::Linearizable)
            .with_native_wake_ups(true)
            .with_clock(ClockSource::Server)
            .with_durability(Durability::Synced)
            .with_smallest_ttl(SMALLEST_TTL)
            .with_replica_loss(ReplicaLoss::Nothing)
            .with_tokens(TokensGrow::AcrossDataLoss)
            .with_round_trips(RoundTrips::each(1))
    }
}
