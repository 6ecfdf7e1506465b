//! Processes that share a store, as a test sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::{
    new_sqlite, shared_etcd, shared_postgres, shared_redis, shared_redis_cluster, shared_zookeeper,
    sqlite_url, store_at, unique, until,
};
use coord::store::{Contender, LeaseId, MemoryStore, PutRequest, Quorum, Store, Watched};
use coord::testing::FaultStore;
use coord::{Coordinator, CoordinatorBuilder, Lease};

/// A ttl that ends while a test waits for it.
pub const SHORT: Duration = Duration::from_millis(300);
/// A ttl that ends only after the test.
pub const LONG: Duration = Duration::from_secs(60);

/// Processes that use one store and one namespace.
pub struct Fleet {
    place: StorePlace,
    namespace: String,
    /// For looking at lines, beside whatever is tested.
    store: Arc<dyn Store>,
}

enum StorePlace {
    Here,
    /// With a majority of these, each process for itself.
    Among(Vec<Arc<dyn Store>>),
    /// At this URL.
    At(String),
}

impl Fleet {
    /// On a store in memory that they all share.
    pub fn on_memory() -> Self {
        Self {
            place: StorePlace::Here,
            namespace: unique("fleet"),
            store: Arc::new(MemoryStore::new()),
        }
    }

    /// On the server that all tests share, each with a connection of its own.
    pub async fn on_redis() -> Self {
        Self::at(shared_redis().await).await
    }

    /// On the PostgreSQL server that all tests share, each with connections of its own.
    pub async fn on_postgres() -> Self {
        Self::at(shared_postgres().await).await
    }

    /// On a file of their own, which each opens by itself.
    pub async fn on_sqlite() -> Self {
        Self::at(sqlite_url(&new_sqlite())).await
    }

    /// On a majority of three stores in memory, which each process asks for itself.
    pub fn on_quorum() -> Self {
        let stores: Vec<Arc<dyn Store>> =
            (0..3).map(|_| Arc::new(MemoryStore::new()) as _).collect();
        Self {
            store: Arc::new(quorum_of(&stores)),
            place: StorePlace::Among(stores),
            namespace: unique("fleet"),
        }
    }

    /// On the etcd server that all tests share, each with a connection of its own.
    pub async fn on_etcd() -> Self {
        Self::at(shared_etcd().await).await
    }

    /// On the ZooKeeper server that all tests share, each with a connection of its own.
    pub async fn on_zookeeper() -> Self {
        Self::at(shared_zookeeper().await).await
    }

    /// On the Redis Cluster that all tests share, each with connections of its own.
    pub async fn on_redis_cluster() -> Self {
        Self::at(shared_redis_cluster().await).await
    }

    async fn at(url: String) -> Self {
        Self {
            store: store_at(&url).await,
            place: StorePlace::At(url),
            namespace: unique("fleet"),
        }
    }

    /// A coordinator with a connection of its own, as another process has.
    pub async fn process(&self) -> Coordinator {
        self.process_in(&self.namespace).await
    }

    /// One in another namespace.
    pub async fn process_in(&self, namespace: &str) -> Coordinator {
        self.builder().await.namespace(namespace).build()
    }

    /// One with further settings.
    pub async fn builder(&self) -> CoordinatorBuilder {
        Coordinator::builder()
            .store(self.own_store().await)
            .namespace(self.namespace.as_str())
    }

    /// The namespace that they share.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The URL of the store, for a process of its own.
    ///
    /// # Panics
    ///
    /// If the store is in the memory of this one.
    pub fn url(&self) -> &str {
        match &self.place {
            StorePlace::At(url) => url,
            StorePlace::Here | StorePlace::Among(_) => {
                panic!("no other process can use this store")
            }
        }
    }

    /// The store, beside whatever is tested.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Two processes.
    pub async fn two(&self) -> (Coordinator, Coordinator) {
        (self.process().await, self.process().await)
    }

    /// A process whose store fails on demand.
    pub async fn faulty(&self) -> (FaultStore, Coordinator) {
        let store = FaultStore::new(self.own_store().await);
        let coord = Coordinator::builder()
            .store(store.clone())
            .namespace(self.namespace.as_str())
            .build();
        (store, coord)
    }

    /// The line for `key`, which is that of a `lock`, a `semaphore` or an `election`.
    pub fn line(&self, kind: &str, key: &str) -> Line {
        Line {
            store: Arc::clone(&self.store),
            resource: format!("{}/{kind}/{key}", self.namespace),
        }
    }

    /// Returns when a lease that nobody renews has ended in the store: when at least this long has passed
    /// by the store's clock.
    pub async fn let_pass(&self, time: Duration) {
        let key = unique("hourglass");
        let coord = self.process().await;
        let lease = coord.lock(&*key).ttl(time).renew(false).acquire().await;
        let lease = lease.expect("a free lock");
        drop(coord.lock(&*key).acquire().await.expect("the next in line"));
        drop(lease);
    }

    /// Has the stores of a process and of the fleet make all the connections and tasks that they ever have, for tests
    /// that count tasks.
    pub async fn warm_up(&self, coord: &Coordinator) {
        for store in [coord.store(), &self.store] {
            // Some are too large to be put together with others.
            let values = [vec![0; 256 * 1024], Vec::new()];
            let puts = (0..16).map(|number| {
                let put = PutRequest::new(unique("warm"), values[number % 2].clone()).ttl(SHORT);
                let store = Arc::clone(store);
                tokio::spawn(async move { store.put_record(&put).await.expect("a put") })
            });
            for put in puts.collect::<Vec<_>>() {
                put.await.expect("a task that ends");
            }
            let key = unique("warm");
            store.get_record(&key).await.expect("an answer");
            let watched = Watched::Record(key);
            drop(store.watch(&watched).await.expect("a watch"));
        }
    }

    /// The store as another process has it.
    pub async fn own_store(&self) -> Arc<dyn Store> {
        match &self.place {
            StorePlace::Here => Arc::clone(&self.store),
            StorePlace::Among(stores) => Arc::new(quorum_of(stores)),
            StorePlace::At(url) => store_at(url).await,
        }
    }
}

/// One that waits for stores which are only as slow as the machine.
fn quorum_of(stores: &[Arc<dyn Store>]) -> Quorum {
    Quorum::of(stores.to_vec()).call_limit(Duration::from_secs(30))
}

/// Those who hold or want one resource.
pub struct Line {
    store: Arc<dyn Store>,
    resource: String,
}

impl Line {
    /// All of them.
    pub async fn contenders(&self) -> Vec<Contender> {
        let contenders = self.store.inspect_lease(&self.resource).await;
        contenders.expect("a line to look at")
    }

    /// How many hold, and how many wait.
    pub async fn counts(&self) -> (usize, usize) {
        let contenders = self.contenders().await;
        let held = contenders.iter().filter(|one| one.granted).count();
        (held, contenders.len() - held)
    }

    /// Waits until so many hold and so many wait.
    pub async fn until(&self, held: usize, waiting: usize) {
        let what = format!("{held} to hold and {waiting} to wait");
        until(&what, async || {
            (self.counts().await == (held, waiting)).then_some(())
        })
        .await;
    }

    /// Takes the lease away from its holders behind their backs, as a store does that loses data.
    pub async fn lose_holders(&self) {
        for contender in self.contenders().await {
            if contender.granted {
                let lease = LeaseId {
                    resource: self.resource.as_str().into(),
                    owner: contender.owner,
                };
                let was_there = self.store.release_lease(&lease).await;
                assert!(was_there.expect("the store answers"));
            }
        }
    }
}

/// Counts those who are inside of something that only so many may be in.
#[derive(Clone, Default)]
pub struct Room {
    inside: Arc<AtomicU64>,
}

impl Room {
    /// Goes in, lets others run, and goes out.
    pub async fn visit(&self, at_most: u64) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(inside <= at_most, "{inside} inside of {at_most}");
        tokio::task::yield_now().await;
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Tells when what it was given to is dropped.
#[derive(Clone, Default)]
pub struct Dropped(Arc<AtomicBool>);

/// What is dropped.
pub struct Guard(Arc<AtomicBool>);

impl Dropped {
    /// What tells of its drop.
    pub fn guard(&self) -> Guard {
        Guard(Arc::clone(&self.0))
    }

    /// Whether it was dropped.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The token as a number.
pub fn token(lease: &Lease) -> u64 {
    lease.token().into()
}
