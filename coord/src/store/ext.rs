//! The plain operations that every store has, for those who want a key-value store and no more.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Condition, DeleteRequest, Put, PutRequest, Result, Store};
use crate::error::{StoreError, StoreErrorKind};
use crate::key::MAX_KEY_BYTES;

/// Plain key-value operations on any store.
///
/// The keys stand as they are given, without a coordinator's namespace. Each operation is one round trip.
/// Dropping a future leaves its operation done or not done.
///
/// ```
/// use std::time::Duration;
/// use coord::store::{MemoryStore, StoreExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let minute = Duration::from_secs(60);
/// assert!(store.try_acquire("job", "worker-1", minute).await?);
/// assert!(!store.try_acquire("job", "worker-2", minute).await?);
/// assert!(!store.release("job", "worker-2").await?, "only the owner can release");
/// assert!(store.release("job", "worker-1").await?);
/// # Ok::<(), coord::StoreError>(()) }).unwrap();
/// ```
#[async_trait]
pub trait StoreExt: Store {
    /// Takes `key` for `owner` if nobody has it. There is no line, no renewal and no fencing token: for these
    /// use [`Coordinator::lock`](crate::Coordinator::lock).
    async fn try_acquire(&self, key: &str, owner: &str, ttl: Duration) -> Result<bool> {
        self.try_set(key, Bytes::copy_from_slice(owner.as_bytes()), ttl)
            .await
    }

    /// Gives `key` back if `owner` has it, and says whether it had.
    async fn release(&self, key: &str, owner: &str) -> Result<bool> {
        self.compare_and_delete(key, Bytes::copy_from_slice(owner.as_bytes()))
            .await
    }

    /// Whether there is a value.
    async fn exists(&self, key: &str) -> Result<bool> {
        Ok(self.get(key).await?.is_some())
    }

    /// Stores a value, whatever was there. Without a ttl it stays forever.
    async fn set<T: Into<Option<Duration>> + Send>(
        &self,
        key: &str,
        value: impl Into<Bytes> + Send,
        ttl: T,
    ) -> Result<()> {
        check_plain_key("set", key)?;
        self.put_record(&PutRequest::new(key, value).ttl(ttl))
            .await
            .map(drop)
    }

    /// Stores a value if there is none, and says whether it did.
    async fn try_set<T: Into<Option<Duration>> + Send>(
        &self,
        key: &str,
        value: impl Into<Bytes> + Send,
        ttl: T,
    ) -> Result<bool> {
        check_plain_key("try_set", key)?;
        let request = PutRequest::new(key, value).when(Condition::Absent).ttl(ttl);
        Ok(matches!(self.put_record(&request).await?, Put::Stored(_)))
    }

    /// The value.
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        check_plain_key("get", key)?;
        Ok(self.get_record(key).await?.map(|entry| entry.value))
    }

    /// Deletes the value if it is `expected`, and says whether it did.
    async fn compare_and_delete(
        &self,
        key: &str,
        expected: impl Into<Bytes> + Send,
    ) -> Result<bool> {
        check_plain_key("compare_and_delete", key)?;
        self.delete_record(&DeleteRequest::new(key).when(Condition::Value(expected.into())))
            .await
    }
}

impl<S: Store + ?Sized> StoreExt for S {}

fn check_plain_key(operation: &'static str, key: &str) -> Result<()> {
    if key.len() > MAX_KEY_BYTES {
        let problem = format!(
            "the key has {} bytes and the limit is {MAX_KEY_BYTES}",
            key.len()
        );
        return Err(StoreError::new(
            StoreErrorKind::Rejected,
            operation,
            problem,
        ));
    }
    Ok(())
}
