//! The keeper: what renews everything of one kind that a coordinator holds or waits for, and does what a dropped
//! lease or a dropped call cannot wait for. What it keeps is [`Kept`]: leases here, and the records of running
//! calls in `idempotency`.
//!
//! 1. It has a background task on each runtime where something is kept, since one on another runtime may end with
//!    that, or stand still with it while nobody drives it. A task starts with the first that is kept there and ends
//!    soon after the last, or at shutdown.
//! 2. What is kept has its home on the runtime where it was got, or where somebody last waited for it or asked
//!    whether it is held. The task there sees to it, and no other, which could stop halfway. What was not on a
//!    runtime, or whose runtime has gone away, is at home with the first task that has a turn. So is, after a
//!    while, what is to be done once: a runtime may stand still just because a call has ended.
//! 3. A lease is taken out of the keeper before its release is sent, so no renewal follows a release. A shutdown waits
//!    for those who are at that, and for bodies that are being polled, which end at their next await.
//! 4. A renewal that fails is tried again until the lease's own deadline, which then makes it lost, also while the
//!    answer to a renewal is still to come.

mod state;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::state::{State, Task, here};
use super::holding::Holding;
use crate::clock::Moment;
use crate::coordinator::Service;
use crate::store::{OwnerId, Store};

/// How many renewals go to the store at once.
const BATCH: usize = 250;
/// How long the task stays when there is nothing to keep, so that a lock taken now and then does not start
/// a task each time.
const LINGER: Duration = Duration::from_secs(1);

/// What can be kept: something of ours in the store that ends there unless it is renewed.
pub(crate) trait Kept: Send + Sync + Sized + 'static {
    /// What is sent to renew it.
    type Renewal: Send + 'static;
    /// What is done in the background, once.
    type Job: Send + 'static;

    /// What tells it from all others.
    fn owner(&self) -> OwnerId;

    /// When the keeper should look at it first.
    fn first_look(&self) -> Instant;

    /// What the keeper is to do about it now.
    fn care(&self, now: Moment) -> Care<Self::Renewal>;

    /// Another task keeps it from now on, and the one that did may stand still, with a renewal that is under way.
    fn moves(&self) {}

    /// The task that kept it is gone, with the renewal that was under way. Wakes whoever waits for a change.
    fn left_alone(&self);

    /// Ends it because the coordinator shuts down, and says what is to be done then; `None` if a body is being polled:
    /// whoever has that gives it back.
    fn shut_down(&self) -> Option<Self::Job>;

    /// Renews several, and tells each how that went.
    fn renew(
        store: Arc<dyn Store>,
        batch: Vec<(Arc<Self>, Self::Renewal)>,
    ) -> impl Future<Output = ()> + Send;

    /// Does a job that nobody waits for. If it cannot be done in time, the store ends the thing by itself.
    fn carry_out(store: Arc<dyn Store>, job: Self::Job) -> impl Future<Output = ()> + Send;
}

/// What the keeper is to do about one that it keeps.
pub(crate) enum Care<Renewal> {
    /// Send this renewal, and look again at this time, however long the answer takes.
    Renew(Renewal, Instant),
    /// Nothing before this time.
    Wait(Instant),
    /// Nothing ever again: it has ended.
    Drop,
}

pub(crate) struct Keeper<K: Kept = Holding> {
    pub(crate) store: Arc<dyn Store>,
    state: Mutex<State<K>>,
    idle: Notify,
    closing: Notify,
}

type UnderWay = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What there is to do in one turn.
struct Turn<K: Kept> {
    renewals: Vec<state::Due<K>>,
    jobs: Vec<K::Job>,
    wakes_at: Instant,
}

impl<K: Kept> Keeper<K> {
    pub(crate) fn new(store: &Arc<dyn Store>) -> Self {
        Self {
            store: Arc::clone(store),
            state: Mutex::new(State::new()),
            idle: Notify::new(),
            closing: Notify::new(),
        }
    }

    /// Renews `kept` from now on. `false`: the coordinator is shut down, and it must be given back.
    pub(crate) fn keep(self: &Arc<Self>, kept: &Arc<K>) -> bool {
        let first_look = kept.first_look();
        let (here, home) = here();
        let mut state = self.state();
        if state.shut_down {
            return false;
        }
        state.kept.insert(kept.owner(), (Arc::clone(kept), home));
        self.see_to(state, here, Some(first_look));
        true
    }

    /// Stops renewing, because it is being given back until what this returns is dropped. An answer that is still under
    /// way changes nothing once the holding has ended.
    #[must_use = "a shutdown waits for it"]
    pub(crate) fn forget(&self, kept: &K) -> Leaving<'_, K> {
        let owner = kept.owner();
        let mut state = self.state();
        state.kept.remove(&owner);
        state.leaving.insert(owner);
        drop(state);
        Leaving {
            keeper: self,
            owner,
        }
    }

    /// Looks at it again now, because it has become due.
    pub(super) fn look(&self, kept: &K) {
        let mut state = self.state();
        if let Some((_, home)) = state.kept.get(&kept.owner()) {
            let home = *home;
            state.wake(home, None);
        }
    }

    /// Stops renewing, and does `job` in the background.
    pub(crate) fn finish_later(self: &Arc<Self>, kept: &K, job: K::Job) {
        let (here, home) = here();
        let mut state = self.state();
        state.kept.remove(&kept.owner());
        state.leaving.remove(&kept.owner());
        state.queue(job, home);
        self.see_to(state, here, None);
    }

    /// Keeps it on the current runtime, because somebody there waits for it or asks whether it is held.
    pub(crate) fn keep_here(self: &Arc<Self>, kept: &K) {
        let (Some(here), now) = here() else {
            return;
        };
        let mut state = self.state();
        match state.kept.get_mut(&kept.owner()) {
            Some((kept, home)) if *home != now => {
                *home = now;
                kept.moves();
            }
            _ => return,
        }
        self.see_to(state, Some(here), None);
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.state().shut_down
    }

    /// Resolves when the coordinator shuts down.
    pub(crate) async fn closing(&self) {
        let closing = self.closing.notified();
        if !self.is_shut_down() {
            closing.await;
        }
    }

    /// Ends all that is kept. The current runtime, which is not standing still, does what is to be done.
    fn close(self: &Arc<Self>) {
        let (here, home) = here();
        let mut state = self.state();
        state.shut_down(home);
        state.wake(None, None);
        if state.has_jobs() {
            self.see_to(state, here, None);
        }
        self.closing.notify_waiters();
    }

    /// Resolves when nothing is under way, and nothing can be done that is not done.
    async fn done(&self) {
        loop {
            let idle = self.idle.notified();
            if self.state().is_done() {
                return;
            }
            idle.await;
        }
    }

    /// Makes the task on the runtime `here` look at the latest `at` this time, or else now. Starts it if there is none.
    fn see_to(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State<K>>,
        here: Option<Handle>,
        at: Option<Instant>,
    ) {
        let home = here.as_ref().map(Handle::id);
        if state.wake(home, at) {
            return;
        }
        // Outside of a runtime the work stays queued for the next task that starts.
        let Some((here, runtime)) = here.zip(home) else {
            return;
        };
        let task = Task::new(runtime);
        let work = Arc::clone(&task.work);
        state.tasks.push(task);
        // A runtime that is closing drops the task at once, and that takes the lock.
        drop(state);
        let running = Running {
            keeper: Arc::clone(self),
            runtime,
            work,
            has_ended: false,
        };
        here.spawn(running.run());
    }

    /// What to do now, or `None` if the task on `runtime` ends, and is marked as ended.
    fn next_turn(
        &self,
        runtime: Id,
        nothing_under_way: bool,
        idle_since: &mut Option<Instant>,
    ) -> Option<Turn<K>> {
        let moment = Moment::now();
        let now = moment.instant();
        let mut state = self.state();
        let (jobs, next_job) = state.jobs_at(runtime, now);
        let (renewals, next_look) = state.care_at(runtime, moment);
        let shut_down = state.shut_down;
        let tasks = &mut state.tasks;
        let task = tasks.iter_mut().find(|task| task.runtime == runtime)?;
        task.is_busy = !(nothing_under_way && jobs.is_empty() && renewals.is_empty());
        if !task.is_busy {
            self.idle.notify_waiters();
        }
        // Whoever asked for an earlier look may have gone since; then the next one of its kind need not ask.
        let asked_for = Some(task.wakes_at).filter(|at| *at > now);
        let looks = [asked_for, next_job, next_look].into_iter().flatten();
        let mut wakes_at = looks.min().unwrap_or(now + LINGER * 60);
        if next_look.is_none() && next_job.is_none() && !task.is_busy {
            let since = *idle_since.get_or_insert(now);
            if shut_down || now >= since + LINGER {
                tasks.retain(|task| task.runtime != runtime);
                return None;
            }
            wakes_at = wakes_at.min(since + LINGER);
        } else {
            *idle_since = None;
        }
        task.wakes_at = wakes_at;
        Some(Turn {
            renewals,
            jobs,
            wakes_at,
        })
    }

    fn start_turn(
        &self,
        renewals: Vec<state::Due<K>>,
        jobs: Vec<K::Job>,
        under_way: &FuturesUnordered<UnderWay>,
    ) {
        let mut renewals = renewals.into_iter().peekable();
        while renewals.peek().is_some() {
            let batch: Vec<_> = renewals.by_ref().take(BATCH).collect();
            under_way.push(Box::pin(K::renew(Arc::clone(&self.store), batch)));
        }
        for job in jobs {
            under_way.push(Box::pin(K::carry_out(Arc::clone(&self.store), job)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Kept> Service for Keeper<K> {
    fn shut_down(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            self.close();
            self.done().await;
        })
    }
}

/// Something that is being given back by whoever has it.
pub(crate) struct Leaving<'a, K: Kept> {
    keeper: &'a Keeper<K>,
    owner: OwnerId,
}

impl<K: Kept> Drop for Leaving<'_, K> {
    fn drop(&mut self) {
        self.keeper.state().leaving.remove(&self.owner);
        self.keeper.idle.notify_waiters();
    }
}

/// The task on a runtime. However it ends, also before its first turn, it is marked as ended, so that there can be
/// another.
struct Running<K: Kept> {
    keeper: Arc<Keeper<K>>,
    runtime: Id,
    work: Arc<Notify>,
    /// Whether it has been marked as ended. Another one may run since.
    has_ended: bool,
}

impl<K: Kept> Running<K> {
    async fn run(mut self) {
        let mut under_way: FuturesUnordered<UnderWay> = FuturesUnordered::new();
        let mut idle_since = None;
        let keeper = &self.keeper;
        while let Some(turn) = keeper.next_turn(self.runtime, under_way.is_empty(), &mut idle_since)
        {
            keeper.start_turn(turn.renewals, turn.jobs, &under_way);
            tokio::select! {
                () = self.work.notified() => {}
                Some(()) = under_way.next() => {}
                () = tokio::time::sleep_until(turn.wakes_at) => {}
            }
        }
        self.has_ended = true;
    }
}

impl<K: Kept> Drop for Running<K> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let mut state = self.keeper.state();
        state.leave(self.runtime);
        self.keeper.idle.notify_waiters();
    }
}
