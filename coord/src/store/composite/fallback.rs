//! A store with a copy that answers what can be answered while the store is away.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::timeout;

use super::super::{
    Acquired, Append, AppendRequest, Capabilities, Condition, Consistency, Contender,
    DeleteRequest, Entry, Examination, IntoStore, LeaseId, LeaseRequest, ListRequest, Page, Put,
    PutRequest, Renewal, Renewed, Result, ScanPage, ScanRequest, Store, Version, Watch, Watched,
    limits,
};
use super::{Away, copied, copy};
use crate::error::{StoreError, StoreErrorKind};

/// How long a call may take before the other store is asked, unless something else is said.
const LIMIT: Duration = Duration::from_secs(1);
/// For how long nothing is copied after the secondary has failed.
const NOT_COPIED_FOR: Duration = Duration::from_secs(1);

/// A primary store that decides everything, and a secondary with a copy that answers what is safe to answer while the
/// primary is away.
///
/// Nobody can know that a store is down: perhaps others still reach it. So while it does not answer, nothing is
/// granted and nothing is written, by nobody. What remains is to read, and to say that something is there already:
///
/// | while the primary is away | |
/// |---|---|
/// | reads of records and logs, listings | from the copy: what was there when it was last written through here, or older |
/// | reads of records that the copy does not have | fail as they do there: the copy may have missed them |
/// | a write on condition that there is no record, where the copy has one | conflicts, and carries that. So results of idempotent calls are replayed |
/// | any other write | fails as it does there, with `NotApplied` or `Unknown` |
/// | leases: acquiring, renewing, releasing, inspecting; scans | fail as they do there. What is held stays held until its ttl |
/// | watches | poll |
///
/// | what else fails | what happens |
/// |---|---|
/// | the secondary | nothing, and it misses copies; what it missed, it gets when the record is next written. A log whose end it has missed it keeps as it was, also if one of the same name is begun anew; sagas name each log differently |
/// | both | the primary's error |
/// | the process, between write and copy | the same as if the secondary had missed it |
///
/// Versions are the primary's; one that was read from the copy meets no condition there, and the conflict
/// carries what is there. Nothing is carried back, so nothing has to be waited for when the primary is back.
///
/// Dropping the future of an operation leaves it done or not done in the primary, and copied or not.
///
/// # Examples
///
/// ```
/// use coord::store::{Fallback, MemoryStore, StoreExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = Fallback::new(MemoryStore::new(), MemoryStore::new());
/// store.set("order:42", "paid", None).await?;
/// assert!(store.exists("order:42").await?);
/// # Ok::<(), coord::StoreError>(()) }).unwrap();
/// ```
pub struct Fallback {
    primary: Arc<dyn Store>,
    secondary: Arc<dyn Store>,
    limit: Duration,
    away: Away,
}

impl Fallback {
    /// A store that decides, and one that has a copy.
    pub fn new(primary: impl IntoStore, secondary: impl IntoStore) -> Self {
        Self {
            primary: primary.into_store(),
            secondary: secondary.into_store(),
            limit: LIMIT,
            away: Away::default(),
        }
    }

    /// How long reading from the primary, and copying, may take: 1 s, if nothing is said.
    pub fn call_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What the primary answers, or the copy if it does not.
    async fn read<T>(
        &self,
        operation: &'static str,
        primary: impl Future<Output = Result<T>>,
        copy: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match self.within(operation, primary).await {
            // What the copy cannot tell either, the primary's error tells better.
            Err(error) if error.is_retryable() => self.within(operation, copy).await.or(Err(error)),
            answer => answer,
        }
    }

    async fn copy_of(&self, key: &str) -> Result<Option<Entry>> {
        let there = self.secondary.get_record(key).await?;
        Ok(there.map(|entry| Entry {
            version: of_copy(entry.version),
            ..entry
        }))
    }

    /// Copies, unless the secondary is away.
    async fn copy(&self, copy: impl Future<Output = Result<()>>) {
        if !self.away.is_away() && self.within("put", copy).await.is_err() {
            self.away.is_not_waited_for(NOT_COPIED_FOR);
        }
    }

    async fn within<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        timeout(self.limit, call).await.unwrap_or_else(|_| {
            let problem = "the store did not answer within its limit";
            Err(StoreError::new(StoreErrorKind::Unknown, operation, problem))
        })
    }
}

/// What is told of a version of the copy. Two servers may count their versions alike, and this is none of the primary's.
fn of_copy(version: Version) -> Version {
    Version::from_bits(!version.to_bits())
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Fallback {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        limits::check_key("get", key)?;
        let copy = async {
            let there = self.copy_of(key).await?;
            // That there is none tells nothing: it may have missed it, and somebody would take it for gone.
            there.map(Some).ok_or_else(|| {
                StoreError::new(
                    StoreErrorKind::Unknown,
                    "get",
                    "the copy has no such record",
                )
            })
        };
        self.read("get", self.primary.get_record(key), copy).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        let put = match self.primary.put_record(request).await {
            Err(error)
                if error.kind() == StoreErrorKind::NotApplied
                    && request.condition == Condition::Absent =>
            {
                let there = self.within("get", self.copy_of(&request.key));
                return match there.await {
                    Ok(Some(there)) => Ok(Put::Conflict(Some(there))),
                    Ok(None) | Err(_) => Err(error),
                };
            }
            answer => answer?,
        };
        if let Put::Stored(_) = put {
            self.copy(copy::record(&*self.primary, &*self.secondary, &request.key))
                .await;
        }
        Ok(put)
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        let deleted = self.primary.delete_record(request).await?;
        if deleted {
            self.copy(copy::record(&*self.primary, &*self.secondary, &request.key))
                .await;
        }
        Ok(deleted)
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        let copy = async {
            let mut page = self.secondary.list_records(request).await?;
            let entries = page.entries.iter_mut();
            entries.for_each(|(_, entry)| entry.version = of_copy(entry.version));
            Ok(page)
        };
        self.read("list", self.primary.list_records(request), copy)
            .await
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        self.primary.acquire_lease(request).await
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        self.primary.renew_leases(renewals).await
    }

    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        self.primary.release_lease(lease).await
    }

    async fn inspect_lease(&self, resource: &str) -> Result<Vec<Contender>> {
        self.primary.inspect_lease(resource).await
    }

    async fn append_log(&self, request: &AppendRequest) -> Result<Append> {
        let append = self.primary.append_log(request).await?;
        if append == Append::Appended {
            self.copy(copy::entry(&*self.primary, &*self.secondary, request))
                .await;
        }
        Ok(append)
    }

    async fn read_log(&self, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
        self.read(
            "read",
            self.primary.read_log(log, from, limit),
            self.secondary.read_log(log, from, limit),
        )
        .await
    }

    async fn expire_log(&self, log: &str, ttl: Duration) -> Result<()> {
        self.primary.expire_log(log, ttl).await?;
        self.copy(self.secondary.expire_log(log, ttl)).await;
        Ok(())
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        match self.within("watch", self.primary.watch(watched)).await {
            Err(error) if error.is_retryable() => Ok(Watch::polling()),
            answer => answer,
        }
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        self.primary.scan(request).await
    }

    /// What the primary says, and that the copy may lack the latest.
    async fn examine(&self) -> Result<Examination> {
        Ok(self.primary.examine().await?.loses_latest(true))
    }

    fn name(&self) -> &'static str {
        "fallback"
    }

    fn capabilities(&self) -> Capabilities {
        // What is read may be older than what was acknowledged.
        copied(self.primary.capabilities(), self.secondary.capabilities())
            .with_consistency(Consistency::AsyncReplicated)
    }
}
