//! The coordinator: a handle to a store, with the defaults of a service, that everything else starts from.

mod dependencies;

use std::any::{Any, TypeId};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

pub(crate) use self::dependencies::Dependencies;
pub use self::dependencies::Dependency;
use crate::clock::{Deadline, Moment};
use crate::context::{Context, StoreId};
use crate::error::Error;
use crate::key::{Key, Renderer};
use crate::store::{self, IntoStore, MemoryStore, Store, Timed};

const DEFAULT_NAMESPACE: &str = "coord";
const DEFAULT_SAGA_RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const DEFAULT_LOCK_TTL: Duration = Duration::from_secs(30);
/// For how long a shutdown waits for bodies to end, and then for what they held to be given back: a store may be away, or
/// a runtime stand still.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

static INSTALLED: OnceLock<Coordinator> = OnceLock::new();

tokio::task_local! {
    static SCOPED: Coordinator;
}

/// A handle to a store, a namespace and defaults. Cloning is cheap, and all clones are one coordinator.
///
/// ```
/// use coord::Coordinator;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let coord = Coordinator::connect("memory:").await?;
/// let lease = coord.lock("order:42").acquire().await?;
/// lease.release().await?;
/// coord.shutdown().await;
/// # Ok::<(), coord::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Coordinator {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    /// The store that was given, which coordinators may share.
    store_id: StoreId,
    namespace: String,
    lock_ttl: Duration,
    idempotency_cache: usize,
    saga_retention: Duration,
    dependencies: Dependencies,
    /// One of each type. They are few, so that looking through them is quick.
    services: RwLock<Vec<(TypeId, Arc<dyn Service>)>>,
    shut_down: AtomicBool,
}

/// What a layer above has to say before a coordinator becomes that of the process.
pub(crate) struct InstallCheck(pub(crate) fn(&Coordinator) -> Result<(), Error>);

inventory::collect!(InstallCheck);

/// Background work that a coordinator owns, one of each type. The layers above bring their own.
pub(crate) trait Service: Any + Send + Sync {
    /// Whether it stands on the others, which then end after it.
    fn stands_on_others(&self) -> bool {
        false
    }

    /// Gives back what is held and ends the work. What was cut off goes on when it is called again.
    fn shut_down(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

impl Coordinator {
    /// Connects to the store that `url` names, with defaults for the rest.
    ///
    /// The URLs are those of [`store::connect`], which is also for a coordinator with other settings. Dropping the
    /// future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// Those of [`store::connect`].
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Ok(Self::builder().store(store::connect(url).await?).build())
    }

    /// Starts building a coordinator.
    pub fn builder() -> CoordinatorBuilder {
        CoordinatorBuilder {
            store: None,
            namespace: DEFAULT_NAMESPACE.to_owned(),
            lock_ttl: DEFAULT_LOCK_TTL,
            idempotency_cache: 0,
            saga_retention: DEFAULT_SAGA_RETENTION,
            dependencies: Dependencies::default(),
        }
    }

    /// Makes this the coordinator that attributes use in this process.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyInstalled`] if there is one; [`Error::MissingDependency`] if a saga that is compiled in
    /// asks for something that the coordinator was not given; [`Error::SagaNameTaken`] if two have one name;
    /// [`Error::TemplateTaken`] if the key templates of two idempotent functions differ in no more than the names of
    /// arguments, so that a call of the one could be answered with a result of the other.
    pub fn install(&self) -> Result<(), Error> {
        for InstallCheck(check) in inventory::iter::<InstallCheck> {
            check(self)?;
        }
        INSTALLED
            .set(self.clone())
            .map_err(|_| Error::AlreadyInstalled)
    }

    /// Makes this the coordinator that attributes use inside `future` and what it awaits. Tasks that it
    /// spawns are outside.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        // Not an `async fn`, whose future would have room for the inner one twice.
        SCOPED.scope(self.clone(), future)
    }

    /// The coordinator of the innermost [`scope`](Self::scope), or the installed one.
    ///
    /// # Errors
    ///
    /// [`Error::NotInstalled`] if there is neither.
    pub fn current() -> Result<Self, Error> {
        SCOPED
            .try_with(Clone::clone)
            .ok()
            .or_else(|| INSTALLED.get().cloned())
            .ok_or(Error::NotInstalled)
    }

    /// Releases everything that this process holds through this coordinator, then ends its background work.
    /// What is to be held [`at_least`](crate::Coordinator::lock) for a time stays in the store for the rest of it.
    /// Bodies that are running see their lease lost, and are dropped at their next await: nobody else gets what they hold
    /// before. Those who wait for a lock, for the result of another call or for a saga get [`Error::ShutDown`], and so do
    /// new calls.
    ///
    /// Sagas and handlers of requests end within 5 seconds, and leases and records are given back within as many, or not
    /// here: what a store that is away has not been told by then is tried on in the background for as long as the runtime
    /// lasts, and else expires in the store. So does what a body holds that comes to no await.
    ///
    /// Dropping the future leaves what was not released yet to expire in the store, or to another call of this.
    pub async fn shutdown(&self) {
        self.inner.shut_down.store(true, Ordering::SeqCst);
        let services = || self.inner.services.write();
        let (above, below): (Vec<_>, Vec<_>) = {
            let services = services().unwrap_or_else(PoisonError::into_inner);
            let services = services.iter().map(|(_, one)| Arc::clone(one));
            services.partition(|service| service.stands_on_others())
        };
        for ending in [above, below] {
            let until = Deadline::of_lease(Moment::now(), SHUTDOWN_PATIENCE);
            let ending = join_all(ending.into_iter().map(Service::shut_down));
            until.limit(ending.map(drop)).await;
        }
        services().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The store. What it is asked for here is in its metrics too.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Which store it is, to tell what is held in it.
    pub(crate) fn store_id(&self) -> StoreId {
        self.inner.store_id
    }

    /// Whether the current code is inside the body of what is called `name` in the store: of a lock, of an idempotent call,
    /// or of a saga.
    pub(crate) fn is_inside(&self, name: &str) -> bool {
        Context::holds(self.store_id(), name)
    }

    pub(crate) fn lock_ttl(&self) -> Duration {
        self.inner.lock_ttl
    }

    pub(crate) fn idempotency_cache(&self) -> usize {
        self.inner.idempotency_cache
    }

    pub(crate) fn saga_retention(&self) -> Duration {
        self.inner.saga_retention
    }

    pub(crate) fn dependencies(&self) -> &Dependencies {
        &self.inner.dependencies
    }

    /// Returns, unless the coordinator is shut down: what fails then may have failed for want of it, which tells nothing. So
    /// whoever is to act upon a failure waits here to be dropped by the service that it belongs to.
    pub(crate) async fn unless_shut_down(&self) {
        if self.inner.shut_down.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    /// The name in the store of `key`, for things of this `kind`. The namespace has no `/`, so names of
    /// different namespaces and kinds never meet.
    pub(crate) fn name(&self, kind: &str, key: &Key) -> Arc<str> {
        [&self.inner.namespace, "/", kind, "/", key.as_str()]
            .concat()
            .into()
    }

    /// What the names of all things of this `kind` begin with.
    pub(crate) fn prefix(&self, kind: &str) -> String {
        [&self.inner.namespace, "/", kind, "/"].concat()
    }

    /// What the names of everything in this namespace begin with.
    pub(crate) fn everything(&self) -> String {
        [&self.inner.namespace, "/"].concat()
    }

    /// The service of type `S`, made by `make` if it is the first time.
    pub(crate) fn service<S: Service>(
        &self,
        make: impl FnOnce(&Arc<dyn Store>) -> S,
    ) -> Result<Arc<S>, Error> {
        let is_shut_down = || self.inner.shut_down.load(Ordering::SeqCst);
        if is_shut_down() {
            return Err(Error::ShutDown);
        }
        let type_id = TypeId::of::<S>();
        let found = self
            .inner
            .services
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .find_map(|(id, service)| (*id == type_id).then(|| Arc::clone(service)));
        let service = if let Some(service) = found {
            service
        } else {
            let mut services = self
                .inner
                .services
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            // The services may have been taken out since, and none may come after them.
            if is_shut_down() {
                return Err(Error::ShutDown);
            }
            let others = services.iter().find(|(id, _)| *id == type_id);
            if let Some((_, service)) = others {
                Arc::clone(service)
            } else {
                let service: Arc<dyn Service> = Arc::new(make(&self.inner.store));
                services.push((type_id, Arc::clone(&service)));
                service
            }
        };
        // The key is the type's own id, so the cast always succeeds.
        (service as Arc<dyn Any + Send + Sync>)
            .downcast()
            .map_err(|_| Error::ShutDown)
    }
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("namespace", &self.inner.namespace)
            .finish_non_exhaustive()
    }
}

/// Builds a [`Coordinator`]. Its clones share what is provided, and the store if it is given one.
#[derive(Clone)]
#[must_use = "call `build`"]
pub struct CoordinatorBuilder {
    store: Option<Arc<dyn Store>>,
    namespace: String,
    lock_ttl: Duration,
    idempotency_cache: usize,
    saga_retention: Duration,
    dependencies: Dependencies,
}

impl CoordinatorBuilder {
    /// The store: one of its own, or one that is shared with others, as an `Arc`. Without it, a [`MemoryStore`] of the
    /// coordinator's own.
    pub fn store(mut self, store: impl IntoStore) -> Self {
        self.store = Some(store.into_store());
        self
    }

    /// What the names of everything in the store begin with, so that services can share a store without
    /// meeting. The default is `coord`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How long the store keeps a lease whose holder has died. The default is 30 seconds.
    pub fn lock_ttl(mut self, ttl: Duration) -> Self {
        self.lock_ttl = ttl;
        self
    }

    /// How many finished results of idempotent calls are kept in this process, so that replaying them costs no
    /// round trip. The default is none. A result takes up to 1 MiB; it is kept no longer than its `ttl`, and
    /// those that came first make room for new ones. A record that is deleted in the store is still replayed
    /// here.
    pub fn idempotency_cache(mut self, results: usize) -> Self {
        self.idempotency_cache = results;
        self
    }

    /// How long a saga that has ended is kept, with its history: for that long, starting it again returns its
    /// result. The default is 7 days, and the longest 366. A saga that has not ended is kept for as long as it takes.
    pub fn saga_retention(mut self, retention: Duration) -> Self {
        self.saga_retention = retention;
        self
    }

    /// Provides a value to the steps of sagas, which ask for it by its type: `#[dep] gateway: &PaymentGateway`.
    /// There is one of each type; a later one replaces an earlier one. What is shared elsewhere too is provided
    /// as an `Arc`, and asked for as that.
    ///
    /// ```
    /// struct PaymentGateway;
    ///
    /// let coord = coord::Coordinator::builder().provide(PaymentGateway).build();
    /// # let _ = coord;
    /// ```
    pub fn provide<T: Any + Send + Sync>(mut self, dependency: T) -> Self {
        self.dependencies.provide(dependency);
        self
    }

    /// The coordinator.
    pub fn build(self) -> Coordinator {
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        Coordinator {
            inner: Arc::new(Inner {
                store_id: StoreId(Arc::as_ptr(&store).cast::<()>() as usize),
                store: Arc::new(Timed::new(store)),
                namespace: Renderer::encoded(&self.namespace),
                lock_ttl: self.lock_ttl,
                idempotency_cache: self.idempotency_cache,
                saga_retention: self.saga_retention,
                dependencies: self.dependencies,
                services: RwLock::default(),
                shut_down: AtomicBool::new(false),
            }),
        }
    }
}

impl fmt::Debug for CoordinatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoordinatorBuilder")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
