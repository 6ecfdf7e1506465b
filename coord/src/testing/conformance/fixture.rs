//! What a case works with, and the steps that many cases take.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;

use crate::error::{StoreError, StoreErrorKind};
use crate::store::{
    Acquired, Contender, Entry, FencingToken, LeaseRequest, OwnerId, Put, PutRequest, Renewed,
    Result, Store, Version, Watch,
};
use crate::testing::FaultStore;

/// A ttl that nothing outlives while a case runs.
pub(super) const LONG: Duration = Duration::from_secs(600);

/// The shortest ttl that cases wait for; a store's own smallest ttl may be longer.
const SHORT: Duration = Duration::from_millis(100);

const LOOK_AGAIN: Duration = Duration::from_millis(5);
const LOOKS: usize = 6_000;

/// A store, and a part of its keys for one case alone.
pub(super) struct Fixture<'a> {
    store: Arc<dyn Store>,
    make: &'a dyn Fn() -> LocalBoxFuture<'a, Arc<dyn Store>>,
    prefix: String,
}

impl<'a> Fixture<'a> {
    pub(super) async fn new(make: &'a dyn Fn() -> LocalBoxFuture<'a, Arc<dyn Store>>) -> Self {
        Self {
            store: make().await,
            make,
            prefix: format!("conformance/{:032x}/", rand::random::<u128>()),
        }
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The store, for tasks.
    pub(super) fn shared(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// The store behind faults that the case injects.
    pub(super) fn faulty(&self) -> FaultStore {
        FaultStore::new(self.shared())
    }

    /// Another store, made as the first was: another client, or a process started anew.
    pub(super) async fn made_anew(&self) -> Arc<dyn Store> {
        (self.make)().await
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A request for a whole resource, for long.
    pub(super) fn exclusive(&self, name: &str) -> LeaseRequest {
        LeaseRequest::exclusive(self.key(name), LONG)
    }

    /// A request for a whole resource, with a place in line, both for long.
    pub(super) fn queueing(&self, name: &str) -> LeaseRequest {
        self.exclusive(name).queue(LONG)
    }

    /// A ttl that cases wait for.
    pub(super) fn short(&self) -> Duration {
        self.store.capabilities().smallest_ttl.max(SHORT)
    }

    /// The most bytes that the store says it takes.
    pub(super) fn largest_value(&self) -> usize {
        self.store.capabilities().largest_value
    }

    /// Waits until whatever was given this ttl before now has expired, as the store counts time.
    pub(super) async fn outlive(&self, ttl: Duration) -> Result<()> {
        let sentinel = self.key(&format!("sentinel/{:032x}", rand::random::<u128>()));
        stored(
            self.store(),
            &PutRequest::new(&*sentinel, "").ttl(ttl + LOOK_AGAIN),
        )
        .await?;
        eventually("a record expires", async || {
            Ok(self
                .store
                .get_record(&sentinel)
                .await?
                .is_none()
                .then_some(()))
        })
        .await
    }
}

/// Looks until there is something to see.
pub(super) async fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    for _ in 0..LOOKS {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    panic!("waited for long, in vain, until {what}");
}

/// Asserts that an operation failed in one way.
pub(super) fn failed<T: Debug>(outcome: Result<T>, kind: StoreErrorKind) -> StoreError {
    match outcome {
        Err(error) if error.kind() == kind => error,
        other => panic!("expected a failure of kind {kind:?}, got {other:?}"),
    }
}

/// Puts, and asserts that the condition held.
pub(super) async fn stored(store: &dyn Store, request: &PutRequest) -> Result<Version> {
    match store.put_record(request).await? {
        Put::Stored(version) => Ok(version),
        Put::Conflict(there) => panic!("expected {request:?} to be stored, but there is {there:?}"),
    }
}

/// Puts, and asserts that the condition did not hold.
pub(super) async fn conflict(store: &dyn Store, request: &PutRequest) -> Result<Option<Entry>> {
    match store.put_record(request).await? {
        Put::Conflict(there) => Ok(there),
        Put::Stored(version) => {
            panic!("expected {request:?} to conflict, but it was stored as {version:?}")
        }
    }
}

pub(super) async fn value(store: &dyn Store, key: &str) -> Result<Option<Bytes>> {
    Ok(store.get_record(key).await?.map(|entry| entry.value))
}

/// A place in line.
pub(super) struct Place {
    pub(super) token: FencingToken,
    pub(super) ahead: u32,
    pub(super) look_again_in: Option<Duration>,
    pub(super) wake: Watch,
}

/// Enters the line, and asserts that the lease is granted at once.
pub(super) async fn granted(store: &dyn Store, request: &LeaseRequest) -> Result<FencingToken> {
    match store.acquire_lease(request).await? {
        Acquired::Granted(token) => Ok(token),
        other => panic!("expected a grant, got {other:?}"),
    }
}

/// Enters the line, and asserts that there is somebody in front.
pub(super) async fn waiting(store: &dyn Store, request: &LeaseRequest) -> Result<Place> {
    match store.acquire_lease(request).await? {
        Acquired::Waiting {
            token,
            ahead,
            look_again_in,
            wake,
        } => Ok(Place {
            token,
            ahead,
            look_again_in,
            wake,
        }),
        other => panic!("expected a place in line, got {other:?}"),
    }
}

/// Tries, and asserts that there is no getting in.
pub(super) async fn busy(store: &dyn Store, request: &LeaseRequest) -> Result<()> {
    match store.acquire_lease(request).await? {
        Acquired::Busy => Ok(()),
        other => panic!("expected to be turned away, got {other:?}"),
    }
}

/// Renews one contender.
pub(super) async fn renewed(store: &dyn Store, request: &LeaseRequest) -> Result<Renewed> {
    let mut answers = store.renew_leases(&[request.renewal()]).await;
    assert_eq!(answers.len(), 1, "one renewal has one answer");
    answers.remove(0)
}

pub(super) async fn release(store: &dyn Store, request: &LeaseRequest) -> Result<bool> {
    store.release_lease(&request.lease).await
}

/// Everybody in line, in order.
pub(super) async fn owners(store: &dyn Store, request: &LeaseRequest) -> Result<Vec<OwnerId>> {
    let line = store.inspect_lease(&request.lease.resource).await?;
    Ok(line.iter().map(|contender| contender.owner).collect())
}

/// Everybody who holds, in the order of arrival.
pub(super) async fn holders(store: &dyn Store, request: &LeaseRequest) -> Result<Vec<OwnerId>> {
    let line = store.inspect_lease(&request.lease.resource).await?;
    Ok(line
        .iter()
        .filter(|contender| contender.granted)
        .map(|contender| contender.owner)
        .collect())
}

/// What the line says of the one who made a request.
pub(super) async fn contender(
    store: &dyn Store,
    request: &LeaseRequest,
) -> Result<Option<Contender>> {
    let line = store.inspect_lease(&request.lease.resource).await?;
    Ok(line
        .into_iter()
        .find(|contender| contender.owner == request.lease.owner))
}

/// Runs so many tasks to their ends at the same time; what they return is in their order.
pub(super) async fn at_once<T, Fut>(count: usize, task: impl Fn(usize) -> Fut) -> Result<Vec<T>>
where
    T: Send + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|index| tokio::spawn(task(index))).collect();
    let mut returned = Vec::with_capacity(count);
    for task in tasks {
        let ended = task.await;
        returned.push(ended.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))?);
    }
    Ok(returned)
}
