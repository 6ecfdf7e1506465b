//! Stores: where leases, records and logs live.
//!
//! [`Store`] is what a backend writes, [`StoreExt`] what a user calls directly. A backend of your own needs
//! four methods, the record operations; leases, logs and wake-ups then work on top of them. A backend that
//! can do more natively overrides more.
//!
//! # The contract
//!
//! 1. Every operation is atomic. [`Capabilities`] tells how far that reaches.
//! 2. Every mutation is replay safe. It carries an id of 128 random bits that the client made before it
//!    sent the request; sent twice, it takes effect once and answers the same. An error says whether the
//!    mutation was surely not done, or perhaps ([`StoreErrorKind`](crate::StoreErrorKind)); the second is
//!    resolved by sending it again with the same id. A store may forget the id of a write to a record after
//!    eight other writes and deletes of it, after a minute, and when the record has expired. One that was
//!    refused leaves no trace: whichever copy of it comes later is looked at anew.
//! 3. [`FencingToken`]s of a resource strictly increase, across release, expiry, crash and restart.
//! 4. A [`Version`] is compared for equality only, and never comes again for the same key.
//! 5. Time that decides expiry is the store's. An expired record or contender is absent in every operation
//!    at once.
//! 6. A ttl below the smallest that a store can keep is rounded up; one above its largest is refused.
//! 7. Keys have up to [`MAX_STORE_KEY_BYTES`] bytes, names of resources and logs up to
//!    [`MAX_STORE_NAME_BYTES`], and values up to [`MAX_VALUE_BYTES`], of any content; a store that can take
//!    less says so ([`Capabilities::largest_value`]). Larger ones are refused before anything is sent.
//! 8. Wake-ups are hints. They may be lost or come for nothing.
//!
//! The suite in `coord::testing` (feature `testing`) checks all of it against any store.

#[cfg(any(feature = "redis", feature = "postgres"))]
mod attempts;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod batch;
mod capability;
mod composite;
mod connect;
mod defaults;
#[cfg(feature = "etcd")]
mod etcd;
mod examination;
mod ext;
#[cfg(any(feature = "etcd", feature = "zookeeper"))]
mod hosts;
mod lease;
mod limits;
mod line;
mod log;
mod memory;
mod owners;
#[cfg(any(feature = "etcd", feature = "zookeeper"))]
mod percent;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod released;
mod renewing;
mod scan;
mod shared;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod standing;
mod timed;
#[cfg(any(feature = "redis", feature = "postgres", feature = "zookeeper"))]
mod wakes;
mod watch;
#[cfg(feature = "zookeeper")]
mod zookeeper;

use std::any::Any;

use async_trait::async_trait;
use bytes::Bytes;

pub use capability::{
    Capabilities, ClockSource, Consistency, Durability, ReplicaLoss, RoundTrips, TokensGrow,
};
pub use composite::{Fallback, Mirror, Quorum, Repaired, Routed};
pub use connect::connect;
#[cfg(feature = "etcd")]
pub use etcd::{EtcdStore, EtcdStoreBuilder};
pub use examination::Examination;
pub use ext::StoreExt;
pub use lease::{
    Acquired, Contender, FencingToken, LeaseId, LeaseRequest, OwnerId, Renewal, Renewed,
};
pub use limits::{LARGEST_TTL, MAX_STORE_KEY_BYTES, MAX_STORE_NAME_BYTES, MAX_VALUE_BYTES};
pub use log::{Append, AppendRequest};
pub use memory::MemoryStore;
pub(crate) use owners::{OwnerMap, OwnerSet};
#[cfg(feature = "postgres")]
pub(crate) use postgres::{Claim, Claimed};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresParameter, PostgresStore, PostgresStoreBuilder, PostgresTransaction};
pub use record::{
    Condition, DeleteRequest, Entry, ListRequest, OperationId, Page, Put, PutRequest, Version,
};
#[cfg(feature = "redis")]
pub use redis::{RedisStore, RedisStoreBuilder};
pub use scan::{ScanPage, ScanRequest, Scanned};
pub use shared::IntoStore;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStore, SqliteStoreBuilder, Synchronous};
pub(crate) use timed::Timed;
pub use watch::{Wake, WakeSender, Watch, Watched};
#[cfg(feature = "zookeeper")]
pub use zookeeper::{ZookeeperStore, ZookeeperStoreBuilder};

use crate::error::StoreError;

/// What a store operation returns.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A backend.
///
/// The four record methods are required. What follows from them has a default: leases and logs kept in
/// records, and a watch that polls. The contract is in the [module's documentation](self).
///
/// Every method is cancellation safe: dropping its future leaves the operation either done or not done,
/// as a lost reply would.
///
/// # Examples
///
/// A store for tests that fails whatever is asked of it:
///
/// ```
/// use async_trait::async_trait;
/// use coord::store::*;
/// use coord::{StoreError, StoreErrorKind};
///
/// struct Down;
///
/// fn down<T>(operation: &'static str) -> Result<T> {
///     Err(StoreError::new(StoreErrorKind::NotApplied, operation, "this store is always down"))
/// }
///
/// #[async_trait]
/// impl Store for Down {
///     async fn get_record(&self, _key: &str) -> Result<Option<Entry>> { down("get") }
///     async fn put_record(&self, _request: &PutRequest) -> Result<Put> { down("put") }
///     async fn delete_record(&self, _request: &DeleteRequest) -> Result<bool> { down("delete") }
///     async fn list_records(&self, _request: &ListRequest) -> Result<Page> { down("list") }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let coord = coord::Coordinator::builder().store(Down).build();
/// let error = coord.lock("order:42").acquire().await.unwrap_err();
/// assert!(error.to_string().contains("this store is always down"));
/// # });
/// ```
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What is stored under `key`, or `None`.
    async fn get_record(&self, key: &str) -> Result<Option<Entry>>;

    /// Stores a value if the request's condition holds. A conflict carries what is there instead.
    async fn put_record(&self, request: &PutRequest) -> Result<Put>;

    /// Deletes a record if the condition holds, and says whether it was there and is now gone.
    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool>;

    /// Lists records by prefix, in the order of their keys' bytes, a page at a time. The cost follows what
    /// is listed, not what is stored. Only records put with [`PutRequest::listed`] need to appear.
    async fn list_records(&self, request: &ListRequest) -> Result<Page>;

    /// Enters the line for a resource: granted at once, waiting, or (without a place to wait) busy. An owner
    /// that is in line already gets the answer for where it stands, and lasts from then on if that is a grant: it may have
    /// been handed over meanwhile, and counts on its ttl. One that was released never gets in again.
    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        defaults::leases::acquire(self, request).await
    }

    /// Extends the deadlines of contenders, waiting or holding alike, and says where each stands.
    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        futures_util::future::join_all(
            renewals
                .iter()
                .map(|renewal| defaults::leases::renew(self, renewal)),
        )
        .await
    }

    /// Leaves the line, hands over to who is next, and says whether the contender was still in it.
    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        defaults::leases::release(self, lease).await
    }

    /// Everybody in line for a resource, in the order of arrival.
    async fn inspect_lease(&self, resource: &str) -> Result<Vec<Contender>> {
        defaults::leases::inspect(self, resource).await
    }

    /// Appends to a log that has exactly the length that the request names.
    async fn append_log(&self, request: &AppendRequest) -> Result<Append> {
        defaults::logs::append(self, request).await
    }

    /// Up to `limit` entries of a log, from index `from` on.
    async fn read_log(&self, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
        defaults::logs::read(self, log, from, limit).await
    }

    /// Lets a whole log disappear after `ttl`.
    async fn expire_log(&self, log: &str, ttl: std::time::Duration) -> Result<()> {
        defaults::logs::expire(self, log, ttl).await
    }

    /// Starts watching. A change after this returns wakes the watch, unless the hint is lost.
    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        let _ = watched;
        Ok(Watch::polling())
    }

    /// Starts watching the record of a put, then puts: whatever changes the record after the put was answered
    /// wakes the watch, unless the hint is lost. A store that can do both in one round trip overrides this.
    async fn put_watched(&self, request: &PutRequest) -> Result<(Put, Watch)> {
        let watch = self.watch(&Watched::Record(request.key.clone())).await?;
        Ok((self.put_record(request).await?, watch))
    }

    /// Stores `first`, and then `request` if `first` was stored; the answer is that of the last one tried. Whatever becomes
    /// of the call, the store never has `request` without `first`. A store that can do both in one round trip overrides this.
    async fn put_after(&self, first: &PutRequest, request: &PutRequest) -> Result<Put> {
        defaults::records::put_after(self, first, request).await
    }

    /// The names of all that is stored, in no order, a page at a time: for people who look. Nothing that works
    /// needs it, and the cost may follow what is stored.
    ///
    /// What is there from the first page to the last is found; what comes or goes meanwhile may be, and a name can
    /// come twice. Whether there is still something behind a name, [`get_record`](Self::get_record) or
    /// [`inspect_lease`](Self::inspect_lease) tells.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::StoreErrorKind::Unsupported) if the store cannot tell, which is the default;
    /// [`Capabilities::scans`] says so.
    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        let _ = request;
        scan::unsupported()
    }

    /// What there is to say of the server behind this store: its version, its clock, and settings that make it
    /// unsafe. A few round trips. By default nothing is known.
    async fn examine(&self) -> Result<Examination> {
        Ok(Examination::unknown())
    }

    /// What kind of store this is: the label of its metrics, as `redis`. One that wraps another passes on that of the
    /// other. There is one name for all of a kind, whatever server it is at.
    fn name(&self) -> &'static str {
        "custom"
    }

    /// The store by its own type, for what only its kind can do. One that wraps another passes on that of the
    /// other; most have nothing to tell.
    fn native(&self) -> Option<&dyn Any> {
        None
    }

    /// What this store guarantees.
    fn capabilities(&self) -> Capabilities {
        Capabilities::unknown()
    }
}
