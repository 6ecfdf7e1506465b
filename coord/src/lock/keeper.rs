//! The keeper: one background task per coordinator that renews everything of one kind that is held or waited
//! for, and does what a dropped lease or a dropped call cannot wait for. What it keeps is [`Kept`]: leases
//! here, and the records of running calls in `idempotency`.
//!
//! 1. The task starts with the first that is kept and ends soon after the last, or at shutdown. If its runtime
//!    goes away while something is kept, whoever waits for it or asks whether it is held starts it again.
//! 2. A lease is taken out of the keeper before its release is sent, so no renewal follows a release.
//! 3. A renewal that fails is tried again until the lease's own deadline, which then makes it lost, also while the
//!    answer to a renewal is still to come.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::holding::Holding;
use crate::clock::Moment;
use crate::coordinator::Service;
use crate::store::{OwnerId, OwnerMap, Store};

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

    /// The task that kept it is gone, with the renewal that was under way. Wakes whoever waits for a change.
    fn left_alone(&self);

    /// Ends it because the coordinator shuts down, and says what is to be done then.
    fn shut_down(&self) -> Self::Job;

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
    work: Notify,
    idle: Notify,
    closing: Notify,
}

struct State<K: Kept> {
    kept: OwnerMap<Arc<K>>,
    jobs: Vec<K::Job>,
    runs: bool,
    /// When the task looks by itself.
    wakes_at: Option<Instant>,
    shut_down: bool,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What there is to do in one turn.
struct Turn<K: Kept> {
    renewals: Vec<(Arc<K>, K::Renewal)>,
    jobs: Vec<K::Job>,
    wakes_at: Instant,
}

impl<K: Kept> Keeper<K> {
    pub(crate) fn new(store: &Arc<dyn Store>) -> Self {
        let state = State {
            kept: OwnerMap::default(),
            jobs: Vec::new(),
            runs: false,
            wakes_at: None,
            shut_down: false,
        };
        Self {
            store: Arc::clone(store),
            state: Mutex::new(state),
            work: Notify::new(),
            idle: Notify::new(),
            closing: Notify::new(),
        }
    }

    /// Renews `kept` from now on. `false`: the coordinator is shut down, and it must be given back.
    pub(crate) fn keep(self: &Arc<Self>, kept: &Arc<K>) -> bool {
        let first_look = kept.first_look();
        let mut state = self.state();
        if state.shut_down {
            return false;
        }
        state.kept.insert(kept.owner(), Arc::clone(kept));
        let is_earlier = state.wakes_at.is_none_or(|at| first_look < at);
        if is_earlier {
            state.wakes_at = Some(first_look);
        }
        self.start(state);
        if is_earlier {
            self.work.notify_one();
        }
        true
    }

    /// Stops renewing. An answer that is still under way changes nothing once the holding has ended.
    pub(crate) fn forget(&self, kept: &K) {
        self.state().kept.remove(&kept.owner());
    }

    /// Looks at everything again now, because something has become due.
    pub(super) fn look(&self) {
        self.work.notify_one();
    }

    /// Stops renewing, and does `job` in the background.
    pub(crate) fn finish_later(self: &Arc<Self>, kept: &K, job: K::Job) {
        let mut state = self.state();
        state.kept.remove(&kept.owner());
        state.jobs.push(job);
        self.start(state);
        self.work.notify_one();
    }

    /// Starts the task again if the runtime that it ran on has gone.
    pub(crate) fn ensure_running(self: &Arc<Self>) {
        let state = self.state();
        if !state.kept.is_empty() {
            self.start(state);
        }
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

    /// Starts the task if there is none.
    fn start(self: &Arc<Self>, mut state: MutexGuard<'_, State<K>>) {
        if state.runs {
            return;
        }
        // Outside of a runtime the work stays queued for the next lease that is kept.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        state.runs = true;
        // A runtime that is closing drops the task at once, and that takes the lock.
        drop(state);
        let running = Running {
            keeper: Arc::clone(self),
            has_ended: false,
        };
        runtime.spawn(running.run());
    }

    /// What to do now, or `None` if the task ends, and is marked as ended.
    fn next_turn(
        &self,
        nothing_under_way: bool,
        idle_since: &mut Option<Instant>,
    ) -> Option<Turn<K>> {
        let moment = Moment::now();
        let now = moment.instant();
        let mut state = self.state();
        let jobs = std::mem::take(&mut state.jobs);
        let mut renewals = Vec::new();
        // Whoever asked for an earlier look may have gone since; then the next one of its kind need not ask.
        let asked_for = state.wakes_at.filter(|at| *at > now);
        let mut wakes_at = asked_for.unwrap_or(now + LINGER * 60);
        state.kept.retain(|_, kept| match kept.care(moment) {
            Care::Renew(renewal, ends) => {
                renewals.push((Arc::clone(kept), renewal));
                wakes_at = wakes_at.min(ends);
                true
            }
            Care::Wait(at) => {
                wakes_at = wakes_at.min(at);
                true
            }
            Care::Drop => false,
        });
        if state.kept.is_empty() && jobs.is_empty() && nothing_under_way {
            self.idle.notify_waiters();
            let since = *idle_since.get_or_insert(now);
            if state.shut_down || now >= since + LINGER {
                state.runs = false;
                state.wakes_at = None;
                return None;
            }
            wakes_at = wakes_at.min(since + LINGER);
        } else {
            *idle_since = None;
        }
        state.wakes_at = Some(wakes_at);
        Some(Turn {
            renewals,
            jobs,
            wakes_at,
        })
    }

    fn start_turn(
        &self,
        renewals: Vec<(Arc<K>, K::Renewal)>,
        jobs: Vec<K::Job>,
        under_way: &FuturesUnordered<Task>,
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
            let idle = self.idle.notified();
            {
                let mut state = self.state();
                state.shut_down = true;
                let kept = std::mem::take(&mut state.kept);
                state
                    .jobs
                    .extend(kept.into_values().map(|kept| kept.shut_down()));
                if !state.jobs.is_empty() {
                    self.start(state);
                }
            }
            self.closing.notify_waiters();
            if !self.state().runs {
                return;
            }
            self.work.notify_one();
            idle.await;
        })
    }
}

/// The task. However it ends, also before its first turn, it is marked as ended, so that it can be started again.
struct Running<K: Kept> {
    keeper: Arc<Keeper<K>>,
    /// Whether it has been marked as ended. Another one may run since.
    has_ended: bool,
}

impl<K: Kept> Running<K> {
    async fn run(mut self) {
        let mut under_way: FuturesUnordered<Task> = FuturesUnordered::new();
        let mut idle_since = None;
        let keeper = &self.keeper;
        while let Some(turn) = keeper.next_turn(under_way.is_empty(), &mut idle_since) {
            keeper.start_turn(turn.renewals, turn.jobs, &under_way);
            tokio::select! {
                () = keeper.work.notified() => {}
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
        state.runs = false;
        state.wakes_at = None;
        // Whoever waits for one of these starts the task again.
        for kept in state.kept.values() {
            kept.left_alone();
        }
        self.keeper.idle.notify_waiters();
    }
}
