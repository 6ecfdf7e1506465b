//! A store in memory whose server can be down, hang, and come back with nothing.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use coord::store::{
    Capabilities, DeleteRequest, Entry, ListRequest, MemoryStore, Page, Put, PutRequest, Result,
    Store, Watch, Watched,
};
use coord::{StoreError, StoreErrorKind};

/// A handle: clones are clients of the same server.
#[derive(Clone)]
pub(crate) struct Server(Arc<Mutex<State>>);

struct State {
    store: Arc<MemoryStore>,
    health: Health,
}

#[derive(Clone, Copy)]
enum Health {
    Up,
    Down,
    Hangs,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            store: Arc::new(MemoryStore::new()),
            health: Health::Up,
        })))
    }

    /// Nothing reaches it.
    pub(crate) fn goes_down(&self) {
        self.state(|state| state.health = Health::Down);
    }

    /// It takes requests and answers none.
    pub(crate) fn hangs(&self) {
        self.state(|state| state.health = Health::Hangs);
    }

    /// It answers again, with what it had.
    pub(crate) fn comes_back(&self) {
        self.state(|state| state.health = Health::Up);
    }

    /// It answers, with nothing.
    pub(crate) fn comes_back_empty(&self) {
        self.state(|state| {
            state.health = Health::Up;
            state.store = Arc::new(MemoryStore::new());
        });
    }

    fn state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn reach(&self) -> Result<Arc<MemoryStore>> {
        let (store, health) = self.state(|state| (Arc::clone(&state.store), state.health));
        match health {
            Health::Up => Ok(store),
            Health::Down => Err(StoreError::new(
                StoreErrorKind::NotApplied,
                "connect",
                "the server is down",
            )),
            Health::Hangs => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Store for Server {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        self.reach().await?.get_record(key).await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        self.reach().await?.put_record(request).await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        self.reach().await?.delete_record(request).await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        self.reach().await?.list_records(request).await
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        self.reach().await?.watch(watched).await
    }

    fn capabilities(&self) -> Capabilities {
        MemoryStore::new().capabilities().with_scans(false)
    }
}
