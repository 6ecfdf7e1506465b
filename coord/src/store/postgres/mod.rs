//! The store in a PostgreSQL server.
//!
//! - [`schema`] makes the tables and functions, which stand in `sql/`. What an operation does, it does in one function
//!   there, and so in one round trip.
//! - [`address`] reads the URL, [`tls`] encrypts.
//! - [`link`] keeps the connections: some that write, and one that reads and listens. [`connection`] is one of them,
//!   and [`statement`] names what they ask.
//! - [`job`] is a write, which goes into one transaction with others when many tasks write at once; [`lock`] is what
//!   keeps two transactions apart.
//! - [`records`], [`leases`] and [`logs`] turn requests into parameters and rows into answers.
//! - [`upkeep`] sweeps out what has expired.
//! - [`transaction`] writes records in transactions of users.
//! - [`failure`] says of each error whether the operation may have been done.
//!
//! # Why it is correct
//!
//! Transactions are `READ COMMITTED`: each statement inside of a function sees what was committed before it began. Each
//! connection sets that for its session, and the functions that grant refuse to in any other.
//!
//! 1. Whatever writes takes the locks of all that it touches before it looks at anything, and keeps them until it has
//!    committed. So what it sees is what there is, it is alone with it, and time (`clock_timestamp()`, taken behind the
//!    locks) does not go back from one writer of a key to the next.
//! 2. A batch takes its locks in the order of their numbers, and one that is alone takes one. So no two of them wait for
//!    each other. A user's transaction that takes several can; then a batch gives up after half a second, and its
//!    writes are made one by one.
//! 3. The locks are transaction-level advisory locks: they end with the transaction, however it ends, and are
//!    none of a session's. No pooled connection brings one back.
//! 4. Rows of a key are written only under its lock, except by sweeping, which deletes what is absent already, skips
//!    what is locked, and looks again at what it has locked.
//! 5. Tokens come from a sequence, which is moved only forward: whoever draws from it holds a lock in share mode, and
//!    whoever moves it holds it alone. A contender draws behind the lock of its resource, so that the order of the
//!    numbers is the order of arrival.
//! 6. A connection is of no use before it has compared the server's lineage (its system, timeline and start) with the
//!    one that is stored. If it is another one, the tokens go on above all that any earlier server can have
//!    given out, and contenders who still wait are numbered anew before one of them is granted.
//! 7. Who is to be woken is told in the transaction that changes something, so they hear of it when it is committed,
//!    and never otherwise. Wanting to hear takes the same lock, so no change falls in between.

mod address;
mod connection;
mod failure;
mod job;
mod leases;
mod link;
mod lock;
mod logs;
mod records;
mod scan;
mod schema;
mod statement;
mod tls;
mod transaction;
mod upkeep;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use self::link::Link;
use self::lock::Subject;
use self::schema::Schema;
pub(crate) use self::transaction::{Claim, Claimed};
pub use self::transaction::{PostgresParameter, PostgresTransaction};
use super::{
    Acquired, Append, AppendRequest, Capabilities, ClockSource, Consistency, Contender,
    DeleteRequest, Durability, Entry, Examination, LeaseId, LeaseRequest, ListRequest, Page, Put,
    PutRequest, Renewal, Renewed, ReplicaLoss, Result, RoundTrips, ScanPage, ScanRequest, Store,
    TokensGrow, Watch, Watched, limits,
};
use crate::error::Error;

/// How long an answer is waited for, unless the builder says otherwise.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often what has expired is swept out, unless the builder says otherwise; and at the least, since the server is told
/// then what is still watched.
const SWEEP_EVERY: Duration = Duration::from_secs(20);
const DEFAULT_SCHEMA: &str = "coord";

/// A store in one PostgreSQL server, 13 or later.
///
/// Needs the feature `postgres`. It keeps to a schema of its own (`coord`, unless the builder says otherwise), which the
/// first process to connect creates. Up to four connections write, and one reads and listens; none is held by
/// whoever waits for a lease. What many tasks write at once goes into one transaction. When a connection breaks, the
/// next operation makes a new one, and everybody who waits looks again.
///
/// Connect to the server itself, or to a pooler in session mode. One in transaction or statement mode (`pool_mode` of
/// `pgbouncer`) is not supported, since it gives each transaction whichever session is free:
///
/// - What a connection sets when it begins (isolation, limits on waiting for locks and for answers) holds for another
///   session. Where the default isolation is not `read committed`, two could be granted one lease; the server's
///   functions look, and refuse with [`Denied`](crate::StoreErrorKind::Denied).
/// - A connection learns when it begins which server this is. A pooler changes servers behind it, and after a failover
///   it would go on with fencing tokens from before. Nothing notices that.
/// - No wake-ups come, so whoever waits looks again from time to time only.
///
/// # Permissions
///
/// The role that connects first needs `CREATE` on the database. Others then need no more than
///
/// ```sql
/// GRANT USAGE ON SCHEMA coord TO service;
/// GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA coord TO service;
/// GRANT SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA coord TO service;
/// ```
///
/// # What it guarantees
///
/// Every operation is atomic and in order, across all processes. What was acknowledged is on the server's disk: if the
/// role or the server has `synchronous_commit = off`, it is turned on for these connections. Only a release that hands
/// nothing on may still be on its way there: a server that crashes then can forget it, and the lease ends with its ttl.
/// Time is the server's clock; a jump of it moves expiry.
///
/// With a replica that is not synchronous, a failover can lose what was last written: two can then hold one lease.
/// What never happens is that a later grant has a smaller fencing token: a promoted server begins above all that the
/// one before can have given out, and above all that one goes on to give out if it was cut off and not stopped, as
/// long as their clocks differ by less than the time since the promotion before. With synchronous replication nothing
/// that was acknowledged is lost.
///
/// # Examples
///
/// ```no_run
/// use coord::{Coordinator, store::PostgresStore};
///
/// # async fn example() -> Result<(), coord::Error> {
/// let store = PostgresStore::builder().schema("shop_coord").connect("postgres://shop:secret@db/shop").await?;
/// let coord = Coordinator::builder().store(store).build();
/// coord.lock("order:42").acquire().await?.release().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    link: Arc<Link>,
}

impl PostgresStore {
    /// Connects to `postgres://[user[:password]@]host[:port][/database][?option=value&…]`, and makes the schema if there
    /// is none yet.
    ///
    /// Options are those of PostgreSQL's own URLs, such as `application_name`, `sslmode` (`disable`, `prefer`, `require`,
    /// `verify-full`) and `sslrootcert`, a file of certificates to trust in place of the system's. As with PostgreSQL's own
    /// clients, the connection is encrypted if the server can, and the server's certificate is looked at only with
    /// `verify-full`, or when `sslrootcert` is given.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrl`] if the URL is malformed, [`Error::Store`] if the server cannot be reached or refuses us, or
    /// the schema is of a newer version of coord. No error shows the URL.
    pub async fn connect(url: &str) -> std::result::Result<Self, Error> {
        Self::builder().connect(url).await
    }

    /// Starts building a store with other settings than the defaults.
    pub fn builder() -> PostgresStoreBuilder {
        PostgresStoreBuilder {
            schema: DEFAULT_SCHEMA.to_owned(),
            response_timeout: RESPONSE_TIMEOUT,
            sweep_every: SWEEP_EVERY,
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("schema", &self.link.schema.name())
            .finish_non_exhaustive()
    }
}

/// Builds a [`PostgresStore`].
#[derive(Debug, Clone)]
#[must_use = "call `connect`"]
pub struct PostgresStoreBuilder {
    schema: String,
    response_timeout: Duration,
    sweep_every: Duration,
}

impl PostgresStoreBuilder {
    /// The schema in which everything is kept. The default is `coord`. It can have letters, digits, `_`, `-`, `.`
    /// and spaces, and upper and lower case differ.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// How long to wait for the server, to connect and for each answer. The default is 5 seconds. Past it the
    /// connection is taken for broken, and the operation for perhaps done.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// How often what has expired is swept out, by one process at a time. It is absent before that; this makes room. The
    /// default is 20 seconds, which is also the longest.
    pub fn sweep_every(mut self, interval: Duration) -> Self {
        self.sweep_every = interval.min(SWEEP_EVERY);
        self
    }

    /// Connects. See [`PostgresStore::connect`].
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::connect`]; and [`Error::InvalidOption`] if the schema's name cannot be one.
    pub async fn connect(self, url: &str) -> std::result::Result<PostgresStore, Error> {
        let schema = Schema::named(self.schema)?;
        let address = address::parse(url)?;
        let link = Link::open(address, schema, self.response_timeout, self.sweep_every);
        drop(link.writer().await?);
        Ok(PostgresStore { link })
    }
}

#[async_trait]
impl Store for PostgresStore {
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
        let (subject, name) = match watched {
            Watched::Record(key) => (Subject::Record, key),
            Watched::Lease(resource) => (Subject::Lease, resource),
            Watched::Log(log) => (Subject::Log, log),
        };
        self.link.watch(subject, name).await
    }

    async fn put_watched(&self, request: &PutRequest) -> Result<(Put, Watch)> {
        request.check()?;
        records::put_watched(&self.link, request).await
    }

    async fn put_after(&self, first: &PutRequest, request: &PutRequest) -> Result<Put> {
        first.check()?;
        request.check()?;
        records::put_after(&self.link, first, request).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        scan::scan(&self.link, request).await
    }

    async fn examine(&self) -> Result<Examination> {
        scan::examine(&self.link).await
    }

    fn name(&self) -> &'static str {
        "postgres"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::unknown()
            .with_scans(true)
            .with_consistency(Consistency::AsyncReplicated)
            .with_native_wake_ups(true)
            .with_clock(ClockSource::Server)
            .with_durability(Durability::Synced)
            .with_replica_loss(ReplicaLoss::Latest)
            .with_tokens(TokensGrow::AcrossFailover)
            .with_round_trips(RoundTrips::each(1))
    }

    fn native(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// A ttl in whole microseconds, rounded up.
fn microseconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX)
}

/// What is left of something, from microseconds.
fn duration(microseconds: i64) -> Duration {
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
}
