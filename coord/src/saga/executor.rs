//! The executor of a coordinator: what it executes, each saga in a task of its own, and its membership.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use rapidhash::fast::RapidHashMap;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::cancel::Cancel;
use super::conduct::{Conduct, is_same};
use super::drive::Ended;
use super::error::SagaError;
use super::leftovers::{GATHERED_FOR, Gathering, Leftovers};
use super::membership::Member;
use crate::context::{Context, Waits};
use crate::coordinator::{Coordinator, Service};
use crate::error::Error;
use crate::store::Store;

/// What a coordinator executes.
pub(super) struct Executor {
    store: Arc<dyn Store>,
    /// The most bytes of what sagas store at once.
    pub(super) largest: usize,
    running: Mutex<RapidHashMap<Arc<str>, Arc<Running>>>,
    /// The sagas of closures that calls in this process have.
    claimed: Mutex<RapidHashMap<Arc<str>, Claimed>>,
    member: RwLock<Option<Arc<Member>>>,
    /// One at a time becomes a member.
    joining: tokio::sync::Mutex<()>,
    /// The memberships that this executor has had.
    former: Mutex<HashSet<String>>,
    /// The sagas that this process cannot go on with.
    left: Mutex<HashSet<Arc<str>>>,
    leftovers: Leftovers,
    closing: watch::Sender<bool>,
    /// Tells the one who shuts down that one fewer is running.
    fewer: Notify,
}

/// A saga that is conducted in this process.
pub(super) struct Running {
    ended: OnceLock<Ended>,
    has_ended: Notify,
    pub(super) cancel: Arc<Cancel>,
    pub(super) waits: Arc<Waits>,
    input: Bytes,
}

/// A saga of closures that a call in this process has.
#[derive(Clone)]
pub(super) struct Claimed {
    /// Ends when the call goes.
    pub(super) gone: watch::Receiver<()>,
    pub(super) waits: Arc<Waits>,
}

impl Executor {
    pub(super) fn of(coordinator: &Coordinator) -> Result<Arc<Self>, Error> {
        coordinator.service(Self::new)
    }

    fn new(store: &Arc<dyn Store>) -> Self {
        Self {
            store: Arc::clone(store),
            largest: store.capabilities().largest_of_ours(),
            running: Mutex::default(),
            claimed: Mutex::default(),
            member: RwLock::default(),
            joining: tokio::sync::Mutex::default(),
            former: Mutex::default(),
            left: Mutex::default(),
            leftovers: Leftovers::default(),
            closing: watch::Sender::new(false),
            fewer: Notify::new(),
        }
    }

    /// This executor as a member; a new one, if it was not or is not any more.
    pub(super) async fn member(&self, coordinator: &Coordinator) -> Result<Arc<Member>, Error> {
        if let Some(member) = self.current() {
            return Ok(member);
        }
        let _joining = self.joining.lock().await;
        if let Some(member) = self.current() {
            return Ok(member);
        }
        let member = Arc::new(join(coordinator.clone()).await?);
        lock(&self.former).insert(member.id.clone());
        *self.member.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&member));
        Ok(member)
    }

    pub(super) fn current(&self) -> Option<Arc<Member>> {
        let member = self.member.read().unwrap_or_else(PoisonError::into_inner);
        member.clone().filter(|member| member.lease.is_held())
    }

    /// Whether this executor has, or had, this id.
    pub(super) fn was(&self, id: &str) -> bool {
        lock(&self.former).contains(id)
    }

    /// Conducts a saga in the background, unless it is already; gives the one that does.
    pub(super) fn conduct(self: &Arc<Self>, conduct: Conduct) -> Result<Arc<Running>, SagaError> {
        let name = Arc::clone(&conduct.spot().head_key);
        let mut all = lock(&self.running);
        if *self.closing.borrow() {
            return Err(Error::ShutDown.into());
        }
        if let Some(running) = all.get(&name) {
            return if is_same(&running.input, &conduct.input) {
                Ok(Arc::clone(running))
            } else {
                Err(SagaError::OtherInput {
                    saga: conduct.drive.definition.name.into(),
                })
            };
        }
        let running = Arc::new(Running {
            ended: OnceLock::new(),
            has_ended: Notify::new(),
            cancel: Arc::clone(&conduct.drive.cancel),
            waits: Arc::clone(&conduct.drive.waits),
            input: conduct.input.clone(),
        });
        all.insert(Arc::clone(&name), Arc::clone(&running));
        drop(all);
        let place = Place {
            executor: Arc::clone(self),
            name,
            running: Arc::clone(&running),
        };
        let context = Context::current().unwrap_or_else(Context::create);
        // What it does is a part of what the one does who starts it, for those who look at traces.
        tokio::spawn(context.enter(place.occupy(conduct)).in_current_span());
        Ok(running)
    }

    /// Claims a saga of closures, whose steps' waits are `waits`, until what this returns is dropped; or gives the claim
    /// of the one that has it.
    pub(super) fn claim(
        &self,
        name: &Arc<str>,
        waits: &Arc<Waits>,
    ) -> Result<watch::Sender<()>, Claimed> {
        let mut claimed = lock(&self.claimed);
        claimed.retain(|_, claim| claim.gone.has_changed().is_ok());
        if let Some(other) = claimed.get(name) {
            return Err(other.clone());
        }
        let (claim, gone) = watch::channel(());
        let waits = Arc::clone(waits);
        claimed.insert(Arc::clone(name), Claimed { gone, waits });
        Ok(claim)
    }

    /// Whether it is conducted here.
    pub(super) fn conducts(&self, name: &str) -> Option<Arc<Running>> {
        lock(&self.running).get(name).cloned()
    }

    /// Leaves a saga to processes with other code, or to a call that asks for it.
    pub(super) fn leave(&self, name: &Arc<str>) {
        lock(&self.left).insert(Arc::clone(name));
    }

    /// Leaves it no more.
    pub(super) fn take_back(&self, name: &str) {
        lock(&self.left).remove(name);
    }

    /// Whether this process cannot go on with it, and has said so.
    pub(super) fn has_left(&self, name: &str) -> bool {
        lock(&self.left).contains(name)
    }

    /// Gives up a saga that another executor has, and says so; unless somebody here waits for it.
    pub(super) fn gives_up(&self, name: &str) -> bool {
        let mut all = lock(&self.running);
        // One is in this map, and one is its task's.
        let is_unwanted = all
            .get(name)
            .is_some_and(|running| Arc::strong_count(running) == 2);
        if is_unwanted {
            all.remove(name);
        }
        is_unwanted
    }

    /// Sees to what sagas leave behind that end soon after one another.
    async fn clean_up(&self, gathering: Gathering<'_>) {
        tokio::select! {
            biased;
            // Whoever shuts down does.
            () = self.closing() => {}
            () = tokio::time::sleep(GATHERED_FOR) => gathering.clean_up(&*self.store).await,
        }
    }

    /// Resolves when the coordinator shuts down.
    pub(super) async fn closing(&self) {
        // The sender is here, so this ends only when it is true.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}

/// The place of a saga among those that run. However its task ends, those who wait are told.
struct Place {
    executor: Arc<Executor>,
    name: Arc<str>,
    running: Arc<Running>,
}

impl Place {
    async fn occupy(self, mut conduct: Conduct) {
        let executor = Arc::clone(&self.executor);
        let gathering = tokio::select! {
            biased;
            () = executor.closing() => None,
            // On the heap, so that what is spawned is small enough to be moved.
            (ended, journal) = Box::pin(conduct.go_to_the_end()) => {
                // First, so that whoever shuts down when nothing runs any more finds it.
                let leftover = journal.and_then(|journal| journal.into_leftover());
                let gathering = leftover.and_then(|leftover| executor.leftovers.gather(leftover));
                self.leave(ended);
                gathering
            }
        };
        drop(self);
        if let Some(gathering) = gathering {
            executor.clean_up(gathering).await;
        }
    }

    /// Those who ask from now on look into the store.
    fn leave(&self, ended: Ended) {
        let mut all = lock(&self.executor.running);
        // If it was given up, it may have come back since, with another task.
        if all
            .get(&self.name)
            .is_some_and(|running| Arc::ptr_eq(running, &self.running))
        {
            all.remove(&self.name);
        }
        drop(all);
        // Once: the task that has it leaves it, or is dropped.
        let _ = self.running.ended.set(ended);
        self.running.has_ended.notify_waiters();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.running.ended.get().is_none() {
            self.leave(Err(Error::ShutDown.into()));
        }
        self.executor.fewer.notify_waiters();
    }
}

impl Running {
    /// How it ends.
    pub(super) async fn ended(&self) -> Ended {
        let has_ended = self.has_ended.notified();
        if self.ended.get().is_none() {
            has_ended.await;
        }
        match self.ended.get() {
            Some(ended) => ended.clone(),
            None => Err(Error::ShutDown.into()),
        }
    }
}

impl Service for Executor {
    /// It is a member for as long as it executes.
    fn stands_on_others(&self) -> bool {
        true
    }

    fn shut_down(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            self.closing.send_replace(true);
            loop {
                let fewer = self.fewer.notified();
                if lock(&self.running).is_empty() {
                    break;
                }
                fewer.await;
            }
            self.leftovers.clear(&*self.store).await;
            let member = self
                .member
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(member) = member {
                member.clear(&*self.store).await;
            }
        })
    }
}

/// Becomes a member in a task of its own, since the lease outlasts by far whatever saga it is asked for first: neither
/// its span nor its context is that one's.
async fn join(coordinator: Coordinator) -> Result<Member, Error> {
    let mut joining = JoinSet::new();
    joining.spawn(async move { Member::join(&coordinator).await });
    match joining.join_next().await {
        Some(Ok(joined)) => joined,
        // The runtime ends.
        _ => Err(Error::ShutDown),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
