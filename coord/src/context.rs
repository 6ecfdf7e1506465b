//! What travels with a task: a correlation id, and what the code around the current call holds.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;

mod waits;

pub(crate) use waits::{WaitedFor, Waiting, Waits};

tokio::task_local! {
    static CURRENT: Context;
}

/// What travels with a task through awaits, though not into spawned tasks: wrap those in
/// [`scope`](Context::scope) themselves.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use coord::Context;
///
/// Context::with_correlation_id("request-7").scope(async {
///     assert_eq!(Context::current().unwrap().correlation_id(), "request-7");
/// }).await;
/// assert!(Context::current().is_none());
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Context {
    correlation_id: Arc<str>,
    /// From the outermost inwards.
    held: Option<Arc<[Arc<Held>]>>,
}

/// One thing that the current code runs inside of.
#[derive(Debug)]
struct Held {
    /// Whether the body that ran inside of it has ended. Contexts are cloned, and may outlive it.
    ended: AtomicBool,
    resource: Arc<str>,
    /// Which store it is in.
    store: StoreId,
    /// The key, if it is a lock.
    lock: Option<(Arc<str>, LockName)>,
    /// The id, if it is a saga, and what its steps wait for.
    saga: Option<(Arc<str>, Arc<Waits>)>,
}

/// A store of this process, told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreId(pub(crate) usize);

impl Held {
    /// Locks of different stores have nothing to do with each other, whatever they are called.
    fn is(&self, store: StoreId, resource: &str) -> bool {
        self.store == store && &*self.resource == resource
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// The context of one body, which is inside of something that the code around it is not inside of.
#[derive(Debug)]
pub(crate) struct Inside {
    context: Context,
    /// What the code around is inside of, and then what it is not: from the outermost inwards.
    held: Vec<Arc<Held>>,
    /// How many of them are the body's own.
    own: usize,
}

impl Inside {
    /// One more thing.
    fn and(
        mut self,
        (store, resource): (StoreId, Arc<str>),
        lock: Option<(Arc<str>, LockName)>,
        saga: Option<(Arc<str>, Arc<Waits>)>,
    ) -> Self {
        self.own += 1;
        self.held.push(Arc::new(Held {
            ended: AtomicBool::new(false),
            resource,
            store,
            lock,
            saga,
        }));
        self
    }

    pub(crate) fn correlation_id(&self) -> &str {
        self.context.correlation_id()
    }

    /// Runs the body in this context. When it has ended or is dropped, it is inside of nothing any more, whoever has its
    /// context.
    pub(crate) fn scope<F: Future>(self, body: F) -> impl Future<Output = F::Output> + use<F> {
        let Self {
            mut context,
            held,
            own,
        } = self;
        let held: Arc<[_]> = held.into();
        context.held = Some(Arc::clone(&held));
        let ends = Ends { held, own };
        context.enter(body.map(move |output| {
            drop(ends);
            output
        }))
    }
}

/// Dropped, it ends what a body was inside of.
struct Ends {
    held: Arc<[Arc<Held>]>,
    own: usize,
}

impl Drop for Ends {
    fn drop(&mut self) {
        for held in self.held.iter().rev().take(self.own) {
            held.ended.store(true, Ordering::Relaxed);
        }
    }
}

/// A lock as others may be told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockName {
    /// What it is: a lock, a semaphore, an election.
    pub(crate) kind: &'static str,
    /// The template of its key.
    pub(crate) template: &'static str,
    /// Where it is asked for.
    pub(crate) place: &'static Location<'static>,
    /// Which store it is in.
    pub(crate) store: StoreId,
}

impl Context {
    /// A context with a new, random correlation id.
    pub fn create() -> Self {
        Self::with_correlation_id(format!("{:032x}", rand::random::<u128>()))
    }

    /// A context with a correlation id from elsewhere, such as a request's header.
    pub fn with_correlation_id(id: impl Into<Arc<str>>) -> Self {
        Self {
            correlation_id: id.into(),
            held: None,
        }
    }

    /// The context that the current code runs in.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `future`, and what it awaits, in this context. Inside the body of a lock it still is: a context that was made
    /// elsewhere changes the correlation id, and not what is held. In a spawned task it is inside the bodies that this
    /// context was taken in, until they end.
    pub fn scope<F: Future>(mut self, future: F) -> impl Future<Output = F::Output> + use<F> {
        if let Some(current) = Self::current().filter(Self::is_inside) {
            self.held = current.held;
        }
        self.enter(future)
    }

    /// Runs `future` in this context, wherever this is called.
    pub(crate) fn enter<F: Future>(self, future: F) -> impl Future<Output = F::Output> + use<F> {
        // Not an `async fn`, whose future would have room for the inner one twice.
        CURRENT.scope(self, future)
    }

    /// The correlation id.
    pub fn correlation_id(&self) -> &str {
        &self.correlation_id
    }

    /// The key of the innermost lock whose body this is, if it is one's.
    pub fn lock_key(&self) -> Option<&str> {
        self.chain()
            .find_map(|held| held.lock.as_ref())
            .map(|(key, _)| &**key)
    }

    /// The id of the innermost saga one of whose steps this is, if it is one's.
    pub fn saga_id(&self) -> Option<&str> {
        let mut sagas = self.chain().filter_map(|held| held.saga.as_ref());
        sagas.next().map(|(id, _)| &**id)
    }

    /// The current context, or a new one, inside the body of a lock of `resources`, each with its key and name.
    pub(crate) fn holding(
        resources: impl IntoIterator<Item = (Arc<str>, Arc<str>, LockName)>,
    ) -> Inside {
        let context = Self::current().unwrap_or_else(Self::create);
        resources
            .into_iter()
            .fold(context.outside(), |inside, (resource, key, name)| {
                inside.and((name.store, resource), Some((key, name)), None)
            })
    }

    /// This context under another correlation id.
    pub(crate) fn correlated(mut self, id: impl Into<Arc<str>>) -> Self {
        self.correlation_id = id.into();
        self
    }

    /// This context inside the body of an idempotent call whose record is `resource`.
    pub(crate) fn inside(self, store: StoreId, resource: Arc<str>) -> Inside {
        self.outside().and((store, resource), None, None)
    }

    /// This context inside a step of the saga `id`, whose head is `resource`.
    pub(crate) fn inside_saga(
        self,
        (store, resource): (StoreId, Arc<str>),
        id: Arc<str>,
        waits: Arc<Waits>,
    ) -> Inside {
        let saga = Some((id, waits));
        self.outside().and((store, resource), None, saga)
    }

    /// Whether the current code is inside the body of a lock of `resource`. If it is not, `outer` is shown the locks
    /// whose bodies it is inside of, from the innermost outwards.
    pub(crate) fn holds_or(
        store: StoreId,
        resource: &str,
        mut outer: impl FnMut(LockName),
    ) -> bool {
        let look = |context: &Self| {
            if context.chain().any(|held| held.is(store, resource)) {
                return true;
            }
            let locks = context.chain().filter_map(|held| held.lock.as_ref());
            locks.for_each(|(_, name)| outer(*name));
            false
        };
        CURRENT.try_with(look).unwrap_or(false)
    }

    /// Whether the current code is inside the body of a lock of `resource`, or of the idempotent call that
    /// has this record.
    pub(crate) fn holds(store: StoreId, resource: &str) -> bool {
        CURRENT
            .try_with(|context| context.chain().any(|held| held.is(store, resource)))
            .unwrap_or(false)
    }

    /// What a body is inside of is added to this. What has ended is left out: tasks that each spawn the next could go on
    /// without end.
    fn outside(mut self) -> Inside {
        let around = self.held.take();
        let held = around.iter().flat_map(|held| held.iter());
        let held = held.filter(|held| !held.has_ended()).cloned().collect();
        Inside {
            context: self,
            held,
            own: 0,
        }
    }

    fn is_inside(&self) -> bool {
        self.chain().next().is_some()
    }

    /// What this is inside of, from the innermost outwards.
    fn chain(&self) -> impl Iterator<Item = &Held> {
        let held = self.held.iter().flat_map(|held| held.iter().rev());
        held.map(|held| &**held).filter(|held| !held.has_ended())
    }
}
