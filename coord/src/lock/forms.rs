//! What there is to lock: a key as a whole, exclusively or shared; several keys together; permits of a
//! semaphore.

use smallvec::smallvec;

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::{IntoKey, Key};

use super::Few;
use super::builder::{LockBuilder, Target};

/// What a writer takes, which is everything; a reader takes one.
pub(super) const ALL: u32 = 1_000_000;

/// The form of a lock on whole keys.
#[derive(Debug, Clone, Copy)]
pub struct Whole;

/// The form of a lock on permits of a semaphore.
#[derive(Debug, Clone, Copy)]
pub struct Semaphored;

impl Coordinator {
    /// A lock that one process at a time can hold, of all that use this store and namespace. It is also the
    /// writer's side of [`rw_lock`](Self::rw_lock) with the same key.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use std::time::Duration;
    /// # let coord = coord::Coordinator::builder().build();
    ///
    /// let lease = coord.lock("order:42").ttl(Duration::from_secs(30)).wait(Duration::from_secs(5)).acquire().await?;
    /// assert!(coord.lock("order:42").try_acquire().await?.is_none());
    /// lease.release().await?;
    /// # Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn lock(&self, key: impl IntoKey) -> LockBuilder {
        LockBuilder::new(
            self.clone(),
            key.into_key()
                .map(|key| smallvec![Target::exclusive(self, key)]),
        )
    }

    /// A lock on all of `keys` or none, whatever the order in which others name them. A key that is given
    /// twice is locked once.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let coord = coord::Coordinator::builder().build();
    /// let lease = coord.lock_all(["account:1", "account:2"]).acquire().await?;
    /// assert!(coord.lock("account:2").try_acquire().await?.is_none());
    /// # drop(lease); Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn lock_all<K: IntoKey>(&self, keys: impl IntoIterator<Item = K>) -> LockBuilder {
        let keys = keys
            .into_iter()
            .map(IntoKey::into_key)
            .collect::<Result<Vec<Key>, Error>>();
        LockBuilder::new(
            self.clone(),
            keys.map(|keys| without_repeats(keys, |key| Target::exclusive(self, key))),
        )
    }

    /// A lock that many readers or one writer can hold. Readers and writers queue in one line, so neither
    /// starves the other.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let coord = coord::Coordinator::builder().build();
    /// let catalog = coord.rw_lock("catalog");
    /// let (one, two) = (catalog.read().acquire().await?, catalog.read().acquire().await?);
    /// assert!(catalog.write().try_acquire().await?.is_none());
    /// # drop((one, two)); Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    pub fn rw_lock(&self, key: impl IntoKey) -> ReadWriteLock {
        ReadWriteLock {
            coordinator: self.clone(),
            key: key.into_key(),
        }
    }

    /// A semaphore of `capacity` permits. While processes disagree on the number, as during a deploy, the
    /// smallest counts.
    ///
    /// A semaphore and a lock of the same key are two different things.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let coord = coord::Coordinator::builder().build();
    /// let heavy = coord.semaphore("gateway", 5).permits(4).acquire().await?;
    /// let light = coord.semaphore("gateway", 5).acquire().await?;
    /// assert!(coord.semaphore("gateway", 5).try_acquire().await?.is_none());
    /// # drop((heavy, light)); Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn semaphore(&self, key: impl IntoKey, capacity: u32) -> LockBuilder<Semaphored> {
        let target = |key| smallvec![Target::new(self, "semaphore", key, 1, capacity)];
        LockBuilder::new(self.clone(), key.into_key().map(target))
    }
}

/// A read/write lock, from [`Coordinator::rw_lock`].
#[derive(Debug, Clone)]
pub struct ReadWriteLock {
    coordinator: Coordinator,
    key: Result<Key, Error>,
}

impl ReadWriteLock {
    /// The readers' side: held together with other readers.
    #[track_caller]
    pub fn read(&self) -> LockBuilder {
        let target = |key| smallvec![Target::shared(&self.coordinator, key)];
        LockBuilder::new(self.coordinator.clone(), self.key.clone().map(target))
    }

    /// The writer's side: held alone.
    #[track_caller]
    pub fn write(&self) -> LockBuilder {
        let target = |key| smallvec![Target::exclusive(&self.coordinator, key)];
        LockBuilder::new(self.coordinator.clone(), self.key.clone().map(target))
    }
}

impl Target {
    pub(crate) fn exclusive(coordinator: &Coordinator, key: Key) -> Self {
        Self::new(coordinator, "lock", key, ALL, ALL)
    }

    pub(crate) fn shared(coordinator: &Coordinator, key: Key) -> Self {
        Self::new(coordinator, "lock", key, 1, ALL)
    }

    pub(crate) fn new(
        coordinator: &Coordinator,
        kind: &'static str,
        key: Key,
        weight: u32,
        capacity: u32,
    ) -> Self {
        Self {
            kind,
            resource: coordinator.name(kind, &key),
            key,
            weight,
            capacity,
        }
    }
}

/// A target for each key, in their order, leaving out those that stood before.
pub(crate) fn without_repeats(keys: Vec<Key>, target: impl Fn(Key) -> Target) -> Few<Target> {
    let mut targets = Few::<Target>::with_capacity(keys.len());
    for key in keys {
        if !targets.iter().any(|target| target.key == key) {
            targets.push(target(key));
        }
    }
    targets
}
