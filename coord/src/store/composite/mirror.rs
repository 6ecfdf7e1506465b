//! Two stores of which the second has a copy of what is in the first.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::super::{
    Acquired, Append, AppendRequest, Capabilities, Contender, DeleteRequest, Entry, Examination,
    IntoStore, LeaseId, LeaseRequest, ListRequest, Page, Put, PutRequest, Renewal, Renewed, Result,
    ScanPage, ScanRequest, Store, Watch, Watched,
};
use super::{copied, copy};
use crate::error::{StoreError, StoreErrorKind};

/// Two stores that both get what is written: the first decides and is read, the second has a copy that is there when a
/// write is acknowledged. To move from one store to another: mirror for as long as the longest ttl, then use
/// the second alone.
///
/// | | |
/// |---|---|
/// | records, logs | the first decides; done when the second has it too |
/// | reads, listings, scans, watches | the first |
/// | leases | the first alone: a copy of who holds would be a second opinion. After moving, each lock is free: move while nobody holds any |
///
/// | what fails | what happens |
/// |---|---|
/// | the first | operations fail as they do there |
/// | the second, in a write | it fails with `Unknown`, since the first has it. Sent again, it is brought to the second; so is it by whoever writes the same record next |
/// | the second, otherwise | nothing |
/// | the process, between the two | the first has it; the second gets it with the next write of the same record |
///
/// What was there before is copied when it is next written. Records in the copy are always listed. A log that
/// has expired in the first and is begun anew before it has expired in the second, which may have missed that it is to,
/// conflicts with its copy for as long as that one is there. Sagas name each log differently.
///
/// Tokens after moving are the second store's, and these need not be greater: stores count from the time at which they
/// began, and go on faster than time if more is asked of them. If a resource compares tokens, have it forget those that
/// it has seen when you move.
///
/// Dropping the future of an operation leaves it done in none, the first, or both; sending it again finishes it.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use coord::store::{MemoryStore, Mirror, Store, StoreExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let new: Arc<dyn Store> = Arc::new(MemoryStore::new());
/// let mirror = Mirror::new(MemoryStore::new(), Arc::clone(&new));
/// mirror.set("order:42", "paid", None).await?;
/// assert_eq!(new.get("order:42").await?.as_deref(), Some("paid".as_bytes()));
/// # Ok::<(), coord::StoreError>(()) }).unwrap();
/// ```
pub struct Mirror {
    first: Arc<dyn Store>,
    second: Arc<dyn Store>,
}

impl Mirror {
    /// A store that decides, and one that gets a copy.
    pub fn new(first: impl IntoStore, second: impl IntoStore) -> Self {
        Self {
            first: first.into_store(),
            second: second.into_store(),
        }
    }

    async fn copy(&self, operation: &'static str, key: &str) -> Result<()> {
        copy::record(&*self.first, &*self.second, key)
            .await
            .map_err(|error| half_done(operation, error))
    }
}

fn half_done(operation: &'static str, error: StoreError) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unknown,
        operation,
        "it was done in the first store of a mirror and not in the second; send it again to have it done there",
    )
    .with_source(error)
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Mirror {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        self.first.get_record(key).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        let put = self.first.put_record(request).await?;
        if let Put::Stored(_) = put {
            self.copy("put", &request.key).await?;
        }
        Ok(put)
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        let deleted = self.first.delete_record(request).await?;
        if deleted {
            self.copy("delete", &request.key).await?;
        }
        Ok(deleted)
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        self.first.list_records(request).await
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        self.first.acquire_lease(request).await
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        self.first.renew_leases(renewals).await
    }

    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        self.first.release_lease(lease).await
    }

    async fn inspect_lease(&self, resource: &str) -> Result<Vec<Contender>> {
        self.first.inspect_lease(resource).await
    }

    async fn append_log(&self, request: &AppendRequest) -> Result<Append> {
        let append = self.first.append_log(request).await?;
        if append == Append::Appended {
            copy::entry(&*self.first, &*self.second, request)
                .await
                .map_err(|error| half_done("append", error))?;
        }
        Ok(append)
    }

    async fn read_log(&self, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
        self.first.read_log(log, from, limit).await
    }

    async fn expire_log(&self, log: &str, ttl: Duration) -> Result<()> {
        self.first.expire_log(log, ttl).await?;
        self.second
            .expire_log(log, ttl)
            .await
            .map_err(|error| half_done("expire", error))
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        self.first.watch(watched).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        self.first.scan(request).await
    }

    async fn examine(&self) -> Result<Examination> {
        self.first.examine().await
    }

    fn name(&self) -> &'static str {
        "mirror"
    }

    fn capabilities(&self) -> Capabilities {
        copied(self.first.capabilities(), self.second.capabilities())
    }
}
