//! The store in ZooKeeper.
//!
//! - [`address`] reads the URL, [`tls`] encrypts, [`wire`] is the protocol.
//! - [`connection`] is one connection, [`link`] keeps one, and knows the servers' time with [`clock`].
//! - [`path`] says where things stand; [`cell`] is how a node is written.
//! - [`records`], [`leases`] and [`logs`] turn requests into transactions; [`listing`] finds records;
//!   [`line`] is one line, [`stored_line`] what it looks like, and [`lines`] what this process knows of all.
//! - [`hearing`] wakes whoever waits, [`sweep`] sweeps out what has expired.
//! - [`failure`] says of each error whether the operation may have been done.
//!
//! # Why it is correct
//!
//! 1. Each operation that changes something does so in one transaction, which fails unless what was read is still
//!    there. Marks never come again ([`cell`]), so it is what was read, and not something that looks like it.
//! 2. What is read for an answer is read behind a `sync`, or behind a transaction that was refused, over the same
//!    connection: it is no older than the question.
//! 3. Whoever connects anew goes on with the same session. The servers then refuse what is still on its way through the
//!    connection before. A session that has ended is refused as well.
//! 4. Time is on what is written, by the leader's clock, and known here a little late ([`clock`]). So nothing is taken for
//!    expired before it is. ZooKeeper cannot look at its clock in a transaction: one that was on its way when a record
//!    expired may still be done, as if it had come just before, if nobody else has written since.
//! 5. A token is the number of the transaction with which its contender entered, and a base. The base is a node's name,
//!    and whoever enters checks that it is still there. It is raised, never lowered, and begins with the time of
//!    its making: so tokens also grow if servers lose everything, and begin to count anew.
//! 6. Leases and records do not depend on sessions. What ends a session ends its watches; then everybody who waits looks
//!    again.

mod address;
mod cell;
mod clock;
mod connection;
mod failure;
mod hearing;
mod leases;
mod line;
mod lines;
mod link;
mod listing;
mod logs;
mod path;
mod records;
mod scan;
mod stored_line;
mod sweep;
mod tls;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use self::link::Link;
use super::{
    Acquired, Append, AppendRequest, Capabilities, ClockSource, Consistency, Contender,
    DeleteRequest, Durability, Entry, Examination, LeaseId, LeaseRequest, ListRequest, Page, Put,
    PutRequest, Renewal, Renewed, ReplicaLoss, Result, RoundTrips, ScanPage, ScanRequest, Store,
    TokensGrow, Watch, Watched, limits,
};
use crate::error::Error;

/// How long an answer is waited for, unless the builder says otherwise.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the servers keep a session of which they hear nothing, unless the builder says otherwise.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// How often some of what has expired is swept out, unless the builder says otherwise.
const SWEEP_EVERY: Duration = Duration::from_secs(20);
/// How often something is tried before others are said to be in the way.
const TRIES: usize = 1_000;
/// The most bytes of a value. A server takes requests of up to 1 MiB less one byte, and there are paths in them.
const LARGEST_VALUE: usize = limits::MAX_VALUE_BYTES - 16 * 1024;

/// A store in a ZooKeeper ensemble, or one server, 3.5 or later.
///
/// Needs the feature `zookeeper`. It keeps to one folder (`/coord`, unless the URL names another), which the first process to
/// connect creates. There is one connection, over which many operations are under way at the same time. When it breaks, the
/// next operation makes a new one, to whichever server answers, and everybody who waits looks again.
///
/// Nothing has to be turned on at the servers. With a user in the URL, what is created is that user's alone.
///
/// # What it guarantees
///
/// Every operation is atomic and in order, across all processes, and what was acknowledged is on the disks of a majority of
/// servers. Time is the leader's clock; a jump of it, or another leader with another time, moves expiry.
///
/// What is only read is read behind a `sync`. A leader that was cut off, and has not found out yet, answers that as well: for
/// as long as its `syncLimit`, a question may then be answered with what was there before. What changes something is not.
///
/// A lease ends when its ttl has passed without renewal, and not with the client's session with a server: one that
/// connects anew in time goes on. Fencing tokens grow as long as the ensemble keeps its data; and also when it has lost
/// all of it, if its clock does not go back.
///
/// Values have up to 1 MiB less 16 KiB, since ZooKeeper takes no larger requests unless it is told to.
///
/// # Examples
///
/// ```no_run
/// use coord::{Coordinator, store::ZookeeperStore};
///
/// # async fn example() -> Result<(), coord::Error> {
/// let store = ZookeeperStore::connect("zk://zk1:2181,zk2:2181,zk3:2181/services/shop").await?;
/// let coord = Coordinator::builder().store(store).build();
/// coord.lock("order:42").acquire().await?.release().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ZookeeperStore {
    link: Arc<Link>,
}

impl ZookeeperStore {
    /// Connects to `zk://[user:password@]host[:port][,host[:port]…][/folder]`, or `zks://…` for a connection that is
    /// encrypted.
    ///
    /// User and password are those of ZooKeeper's digest scheme. For `zks:`, the servers' certificates must be of those
    /// that the system trusts, or of those in the file of the option `sslrootcert`; `sslcert` and `sslkey` name the files of
    /// a certificate of one's own and its key, which ZooKeeper asks for unless it is told not to. All are in PEM.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrl`] if the URL is malformed, [`Error::Store`] if no server can be reached or they refuse us. No
    /// error shows the URL.
    pub async fn connect(url: &str) -> std::result::Result<Self, Error> {
        Self::builder().connect(url).await
    }

    /// Starts building a store with other settings than the defaults.
    pub fn builder() -> ZookeeperStoreBuilder {
        ZookeeperStoreBuilder {
            response_timeout: RESPONSE_TIMEOUT,
            session_timeout: SESSION_TIMEOUT,
            sweep_every: SWEEP_EVERY,
        }
    }
}

impl fmt::Debug for ZookeeperStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZookeeperStore")
            .field("folder", &self.link.address.root.path())
            .finish_non_exhaustive()
    }
}

/// Builds a [`ZookeeperStore`].
#[derive(Debug, Clone)]
#[must_use = "call `connect`"]
pub struct ZookeeperStoreBuilder {
    response_timeout: Duration,
    session_timeout: Duration,
    sweep_every: Duration,
}

impl ZookeeperStoreBuilder {
    /// How long to wait for the servers, to connect and for each answer. The default is 5 seconds. Past it the
    /// connection is taken for broken, and the operation for perhaps done.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// How long the servers keep a session of which they hear nothing, within their own limits. The default is 10 seconds.
    /// Two thirds of it without a word from the server, and the connection is taken for broken. No lease ends with
    /// a session.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// How often some of what has expired is swept out, by one process at a time. It is absent before that; this makes
    /// room. All is swept in sixteen times as long. The default is 20 seconds.
    pub fn sweep_every(mut self, interval: Duration) -> Self {
        self.sweep_every = interval;
        self
    }

    /// Connects. See [`ZookeeperStore::connect`].
    ///
    /// # Errors
    ///
    /// As [`ZookeeperStore::connect`].
    pub async fn connect(self, url: &str) -> std::result::Result<ZookeeperStore, Error> {
        let link = Link::begin(
            address::parse(url)?,
            self.response_timeout,
            self.session_timeout,
            self.sweep_every,
        );
        Ok(ZookeeperStore { link: link.await? })
    }
}

#[async_trait]
impl Store for ZookeeperStore {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        limits::check_key("get", key)?;
        records::get(&self.link, key).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        check_put(request)?;
        records::put(&self.link, request).await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        request.check()?;
        records::delete(&self.link, request).await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        listing::list(&self.link, request).await
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
        limits::check_size("append", &request.entry, LARGEST_VALUE)?;
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
            Watched::Record(key) => hearing::watch(&self.link, &root.record(key)).await,
            Watched::Lease(resource) => hearing::watch(&self.link, &root.line(resource)).await,
            Watched::Log(log) => hearing::log(&self.link, &root.log(log)).await,
        }
    }

    async fn put_watched(&self, request: &PutRequest) -> Result<(Put, Watch)> {
        check_put(request)?;
        records::put_watched(&self.link, request).await
    }

    async fn put_after(&self, first: &PutRequest, request: &PutRequest) -> Result<Put> {
        check_put(first)?;
        check_put(request)?;
        records::put_after(&self.link, first, request).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        scan::scan(&self.link, request).await
    }

    async fn examine(&self) -> Result<Examination> {
        let now = Duration::from_millis(self.link.now().await?);
        Ok(Examination::unknown()
            .server("ZooKeeper")
            .time(SystemTime::UNIX_EPOCH.checked_add(now)))
    }

    fn name(&self) -> &'static str {
        "zookeeper"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::unknown()
            .with_scans(true)
            .with_consistency(Consistency::Linearizable)
            .with_native_wake_ups(true)
            .with_clock(ClockSource::Server)
            .with_durability(Durability::Synced)
            .with_largest_value(LARGEST_VALUE)
            .with_replica_loss(ReplicaLoss::Nothing)
            .with_tokens(TokensGrow::AcrossDataLoss)
            .with_round_trips(RoundTrips::each(1))
    }
}

fn check_put(request: &PutRequest) -> Result<()> {
    request.check()?;
    limits::check_size("put", &request.value, LARGEST_VALUE)
}
