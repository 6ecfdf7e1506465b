//! The keeper: one background task per coordinator that renews everything held or waited for, and does what
//! a dropped lease or a dropped call cannot wait for.
//!
//! 1. The task starts with the first lease and ends soon after the last, or at shutdown. If its runtime goes
//!    away while there are leases, whoever waits for one of them starts it again.
//! 2. A lease is taken out of the keeper before its release is sent, so no renewal follows a release.
//! 3. A renewal that fails is tried again until the lease's own deadline, which then makes it lost.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::acquire::persist;
use super::holding::{Care, Holding};
use crate::clock::{Deadline, Moment};
use crate::coordinator::Service;
use crate::store::{LeaseId, OwnerMap, Renewal, Store};

/// How many renewals go to the store at once.
const BATCH: usize = 250;
/// How long the task stays when there is nothing to keep, so that a lock taken now and then does not start
/// a task each time.
const LINGER: Duration = Duration::from_secs(1);

pub(crate) struct Keeper {
    pub(super) store: Arc<dyn Store>,
    state: Mutex<State>,
    work: Notify,
    idle: Notify,
}

#[derive(Default)]
struct State {
    kept: OwnerMap<Arc<Holding>>,
    jobs: Vec<Job>,
    runs: bool,
    /// When the task looks by itself.
    wakes_at: Option<Instant>,
    shut_down: bool,
}

/// What is done in the background, once.
struct Job {
    lease: LeaseId,
    kind: JobKind,
    /// Past this the store has ended the lease by itself.
    until: Deadline,
}

#[derive(Clone, Copy)]
enum JobKind {
    Release,
    KeepFor(Duration),
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What there is to do in one turn.
struct Turn {
    renewals: Vec<(Arc<Holding>, Renewal)>,
    jobs: Vec<Job>,
    wakes_at: Instant,
}

impl Keeper {
    pub(super) fn new(store: &Arc<dyn Store>) -> Self {
        Self {
            store: Arc::clone(store),
            state: Mutex::default(),
            work: Notify::new(),
            idle: Notify::new(),
        }
    }

    /// Renews `holding` from now on. `false`: the coordinator is shut down, and it must be given back.
    pub(super) fn keep(self: &Arc<Self>, holding: &Arc<Holding>) -> bool {
        let first_look = holding.first_look();
        let mut state = self.state();
        if state.shut_down {
            return false;
        }
        state.kept.insert(holding.lease.owner, Arc::clone(holding));
        let is_earlier = state.wakes_at.is_none_or(|at| first_look < at);
        self.start(&mut state);
        drop(state);
        if is_earlier {
            self.work.notify_one();
        }
        true
    }

    /// Stops renewing. An answer that is still under way changes nothing once the holding has ended.
    pub(super) fn forget(&self, holding: &Holding) {
        self.state().kept.remove(&holding.lease.owner);
    }

    /// Looks at every lease again now, because one of them has something due.
    pub(super) fn look(&self) {
        self.work.notify_one();
    }

    /// Releases in the background, because the caller's future was dropped.
    pub(super) fn abandon(self: &Arc<Self>, holding: &Holding) {
        self.finish_later(holding, JobKind::Release);
    }

    /// Lets the lease last for `rest` and no longer, in the background.
    pub(super) fn keep_for(self: &Arc<Self>, holding: &Holding, rest: Duration) {
        self.finish_later(holding, JobKind::KeepFor(rest));
    }

    /// Starts the task again if the runtime that it ran on has gone.
    pub(super) fn ensure_running(self: &Arc<Self>) {
        let mut state = self.state();
        if !state.kept.is_empty() {
            self.start(&mut state);
        }
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.state().shut_down
    }

    fn finish_later(self: &Arc<Self>, holding: &Holding, kind: JobKind) {
        let until = Deadline::of_lease(Moment::now(), holding.ttl.max(holding.wait_ttl));
        let mut state = self.state();
        state.kept.remove(&holding.lease.owner);
        state.jobs.push(Job {
            lease: holding.lease.clone(),
            kind,
            until,
        });
        self.start(&mut state);
        drop(state);
        self.work.notify_one();
    }

    fn start(self: &Arc<Self>, state: &mut State) {
        if state.runs {
            return;
        }
        // Outside of a runtime the work stays queued for the next lease that is kept.
        if let Ok(runtime) = Handle::try_current() {
            state.runs = true;
            runtime.spawn(Arc::clone(self).run());
        }
    }

    async fn run(self: Arc<Self>) {
        let _running = Running(&self);
        let mut under_way: FuturesUnordered<Task> = FuturesUnordered::new();
        let mut idle_since = None;
        while let Some(turn) = self.next_turn(under_way.is_empty(), &mut idle_since) {
            self.start_turn(turn.renewals, turn.jobs, &under_way);
            tokio::select! {
                () = self.work.notified() => {}
                Some(()) = under_way.next() => {}
                () = tokio::time::sleep_until(turn.wakes_at) => {}
            }
        }
    }

    /// What to do now, or `None` if the task can end.
    fn next_turn(&self, nothing_under_way: bool, idle_since: &mut Option<Instant>) -> Option<Turn> {
        let moment = Moment::now();
        let now = moment.instant();
        let mut state = self.state();
        let jobs = std::mem::take(&mut state.jobs);
        let mut renewals = Vec::new();
        let mut wakes_at = now + LINGER * 60;
        state.kept.retain(|_, holding| match holding.care(moment) {
            Care::Renew(renewal) => {
                renewals.push((Arc::clone(holding), renewal));
                true
            }
            Care::Wait(at) => {
                wakes_at = wakes_at.min(at);
                true
            }
            Care::Lost | Care::Drop => false,
        });
        if state.kept.is_empty() && jobs.is_empty() && nothing_under_way {
            self.idle.notify_waiters();
            let since = *idle_since.get_or_insert(now);
            if state.shut_down || now >= since + LINGER {
                state.runs = false;
                state.wakes_at = None;
                return None;
            }
            wakes_at = since + LINGER;
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
        renewals: Vec<(Arc<Holding>, Renewal)>,
        jobs: Vec<Job>,
        under_way: &FuturesUnordered<Task>,
    ) {
        let mut renewals = renewals.into_iter().peekable();
        while renewals.peek().is_some() {
            let batch: Vec<_> = renewals.by_ref().take(BATCH).collect();
            under_way.push(Box::pin(renew(Arc::clone(&self.store), batch)));
        }
        for job in jobs {
            under_way.push(Box::pin(carry_out(Arc::clone(&self.store), job)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Keeper {
    fn shut_down(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let idle = self.idle.notified();
            {
                let mut state = self.state();
                state.shut_down = true;
                let kept: Vec<_> = state.kept.drain().map(|(_, holding)| holding).collect();
                for holding in kept {
                    holding.shut_down();
                    let until = holding.deadline();
                    state.jobs.push(Job {
                        lease: holding.lease.clone(),
                        kind: JobKind::Release,
                        until,
                    });
                }
                if !state.jobs.is_empty() {
                    self.start(&mut state);
                }
                if !state.runs {
                    return;
                }
            }
            self.work.notify_one();
            idle.await;
        })
    }
}

async fn renew(store: Arc<dyn Store>, batch: Vec<(Arc<Holding>, Renewal)>) {
    let (holdings, renewals): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let sent = Moment::now();
    let answers = store.renew_leases(&renewals).await;
    for (holding, answer) in holdings.iter().zip(answers) {
        holding.renewed(sent, answer);
    }
}

/// Ends a lease that nobody waits for. If it cannot be done in time, the store ends it by itself.
async fn carry_out(store: Arc<dyn Store>, job: Job) {
    let Job { lease, kind, until } = job;
    match kind {
        JobKind::Release => {
            let _ = persist(until, || store.release_lease(&lease)).await;
        }
        JobKind::KeepFor(rest) => {
            let renewal = [Renewal {
                lease,
                ttl: rest,
                wait_ttl: rest,
            }];
            let renew = || async {
                let answer = store.renew_leases(&renewal).await.pop();
                answer.transpose()
            };
            let _ = persist(until, renew).await;
        }
    }
}

/// Marks the task as ended however it ends, so that it can be started again.
struct Running<'a>(&'a Keeper);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.runs = false;
        state.wakes_at = None;
        // Whoever waits for one of these starts the task again.
        for holding in state.kept.values() {
            holding.notify();
        }
        self.0.idle.notify_waiters();
    }
}
