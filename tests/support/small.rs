//! A store that takes less than others.

use async_trait::async_trait;
use coord::store::{
    Capabilities, DeleteRequest, Entry, ListRequest, MemoryStore, Page, Put, PutRequest, Store,
};
use coord::{StoreError, StoreErrorKind};

/// A store in memory that refuses large values.
pub struct SmallStore {
    inner: MemoryStore,
    largest: usize,
    says_so: bool,
}

impl SmallStore {
    /// One whose values have at most so many bytes, and that says so in its capabilities.
    pub fn new(largest: usize) -> Self {
        Self {
            inner: MemoryStore::new(),
            largest,
            says_so: true,
        }
    }

    /// One that does not say so, and only refuses.
    pub fn unaware(largest: usize) -> Self {
        Self {
            says_so: false,
            ..Self::new(largest)
        }
    }
}

#[async_trait]
impl Store for SmallStore {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.inner.get_record(key).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put, StoreError> {
        if request.value.len() > self.largest {
            let problem = "the value is too large";
            return Err(StoreError::new(StoreErrorKind::Rejected, "put", problem));
        }
        self.inner.put_record(request).await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool, StoreError> {
        self.inner.delete_record(request).await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page, StoreError> {
        self.inner.list_records(request).await
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::unknown();
        if self.says_so {
            capabilities.with_largest_value(self.largest)
        } else {
            capabilities
        }
    }
}
