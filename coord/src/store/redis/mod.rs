//! Redis.
use crate::error::{StoreError, StoreErrorKind};
/// A store in Redis.
#[derive(Debug)]
pub struct RedisStore(super::MemoryStore);
/// Builds one.
#[derive(Debug)]
pub struct RedisStoreBuilder;
impl RedisStore {
    /// Connects.
    pub async fn connect(_url: &str) -> super::Result<Self> {
        Err(StoreError::new(StoreErrorKind::Denied, "connect", "under way"))
    }
}
#[async_trait::async_trait]
impl super::Store for RedisStore {
    async fn get_record(&self, key: &str) -> super::Result<Option<super::Entry>> { self.0.get_record(key).await }
    async fn put_record(&self, r: &super::PutRequest) -> super::Result<super::Put> { self.0.put_record(r).await }
    async fn delete_record(&self, r: &super::DeleteRequest) -> super::Result<bool> { self.0.delete_record(r).await }
    async fn list_records(&self, r: &super::ListRequest) -> super::Result<super::Page> { self.0.list_records(r).await }
}
