//! What the shop writes down: its own data, which outlives its processes and is seen by all of them.
//!
//! A shop would have a database. To need none, this one writes into the store that coordinates it, under names of its own.

use std::sync::Arc;
use std::time::Duration;

use coord::store::{Condition, ListRequest, Put, PutRequest, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::ShopError;

/// How many are asked for at once, and shown at the most.
const PAGE: usize = 500;

#[derive(Clone)]
pub(crate) struct Books {
    store: Arc<dyn Store>,
    prefix: Arc<str>,
}

impl Books {
    pub(crate) fn new(store: Arc<dyn Store>, namespace: &str) -> Self {
        let prefix = format!("{namespace}-data/").into();
        Self { store, prefix }
    }

    /// What is written under a name.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, ShopError> {
        let entry = self.store.get_record(&self.key(name)).await?;
        entry.map(|entry| read(&entry.value)).transpose()
    }

    /// Changes what is written under a name, in one go: if somebody else was quicker, `change` is called again with what
    /// that one wrote. What is `None` afterwards is left as it was.
    pub(crate) async fn change<T, R>(
        &self,
        name: &str,
        ttl: Option<Duration>,
        mut change: impl FnMut(&mut Option<T>) -> R,
    ) -> Result<R, ShopError>
    where
        T: Serialize + DeserializeOwned,
    {
        let key = self.key(name);
        let mut there = self.store.get_record(&key).await?;
        loop {
            let mut value = there.as_ref().map(|entry| read(&entry.value)).transpose()?;
            let outcome = change(&mut value);
            let Some(value) = value else {
                return Ok(outcome);
            };
            let condition =
                there.map_or(Condition::Absent, |entry| Condition::Version(entry.version));
            let text = serde_json::to_vec(&value).map_err(|_| ShopError::Unreadable)?;
            let put = PutRequest::new(&*key, text)
                .when(condition)
                .ttl(ttl)
                .listed();
            match self.store.put_record(&put).await? {
                Put::Stored(_) => return Ok(outcome),
                Put::Conflict(newer) => there = newer,
            }
        }
    }

    /// All that is written under names that begin so.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        folder: &str,
    ) -> Result<Vec<T>, ShopError> {
        let mut found = Vec::new();
        let mut request = ListRequest::new(self.key(folder)).limit(PAGE);
        loop {
            let page = self.store.list_records(&request).await?;
            for (_, entry) in page.entries {
                found.push(read(&entry.value)?);
            }
            match page.next {
                Some(next) => request = request.after(next),
                None => return Ok(found),
            }
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, ShopError> {
    serde_json::from_slice(value).map_err(|_| ShopError::Unreadable)
}
