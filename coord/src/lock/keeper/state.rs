//! What a keeper has to see to, and which of its tasks does.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Care, Kept};
use crate::clock::Moment;
use crate::store::{OwnerMap, OwnerSet};

/// How long a job is left to the task at its home.
const LEFT_AT_HOME: Duration = Duration::from_millis(250);

pub(super) struct State<K: Kept> {
    pub(super) kept: OwnerMap<(Arc<K>, Home)>,
    /// What is given back by whoever has it.
    pub(super) leaving: OwnerSet,
    jobs: Vec<Queued<K::Job>>,
    pub(super) tasks: Vec<Task>,
    pub(super) shut_down: bool,
}

/// The runtime whose task sees to it, which is among the tasks until it has; or `None`: any of them.
pub(super) type Home = Option<Id>;

/// What is to be renewed, and how.
pub(super) type Due<K> = (Arc<K>, <K as Kept>::Renewal);

/// A job that no task has taken yet.
struct Queued<Job> {
    job: Job,
    home: Home,
    /// From when on any task may take it.
    open_from: Instant,
}

/// The task on one of the runtimes.
pub(super) struct Task {
    pub(super) runtime: Id,
    pub(super) work: Arc<Notify>,
    /// When it looks by itself.
    pub(super) wakes_at: Instant,
    /// Whether something is under way.
    pub(super) is_busy: bool,
}

/// The current runtime, if there is one.
pub(super) fn here() -> (Option<Handle>, Home) {
    let here = Handle::try_current().ok();
    let home = here.as_ref().map(Handle::id);
    (here, home)
}

impl Task {
    /// One that is about to have its first turn.
    pub(super) fn new(runtime: Id) -> Self {
        Self {
            runtime,
            work: Arc::new(Notify::new()),
            wakes_at: Instant::now(),
            is_busy: false,
        }
    }
}

impl<K: Kept> State<K> {
    pub(super) fn new() -> Self {
        Self {
            kept: OwnerMap::default(),
            leaving: OwnerSet::default(),
            jobs: Vec::new(),
            tasks: Vec::new(),
            shut_down: false,
        }
    }

    /// Makes the task at `home` look at the latest `at` this time, or else now. `false`: there is none.
    pub(super) fn wake(&mut self, home: Home, at: Option<Instant>) -> bool {
        let mut is_there = false;
        for task in &mut self.tasks {
            if home.is_some_and(|home| home != task.runtime) {
                continue;
            }
            is_there = true;
            match at {
                Some(at) if at >= task.wakes_at => continue,
                Some(at) => task.wakes_at = at,
                None => {}
            }
            task.work.notify_one();
        }
        is_there
    }

    /// Leaves a job to the task at `home`, or to any other if that one does not come to it.
    pub(super) fn queue(&mut self, job: K::Job, home: Home) {
        let open_from = Instant::now() + LEFT_AT_HOME;
        self.jobs.push(Queued {
            job,
            home,
            open_from,
        });
        self.wake(None, Some(open_from));
    }

    pub(super) fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Takes the jobs that are for the task on `runtime`, and tells when it may take more.
    pub(super) fn jobs_at(&mut self, runtime: Id, now: Instant) -> (Vec<K::Job>, Option<Instant>) {
        let (ours, others): (Vec<_>, _) = std::mem::take(&mut self.jobs)
            .into_iter()
            .partition(|one| one.home.is_none_or(|home| home == runtime) || one.open_from <= now);
        self.jobs = others;
        let next = self.jobs.iter().map(|one| one.open_from).min();
        (ours.into_iter().map(|one| one.job).collect(), next)
    }

    /// What the task on `runtime` is to renew of what it keeps, and when to look again: `None` if it keeps nothing.
    pub(super) fn care_at(
        &mut self,
        runtime: Id,
        moment: Moment,
    ) -> (Vec<Due<K>>, Option<Instant>) {
        let mut renewals = Vec::new();
        let mut next_look: Option<Instant> = None;
        self.kept.retain(|_, (kept, home)| {
            if *home.get_or_insert(runtime) != runtime {
                return true;
            }
            let at = match kept.care(moment) {
                Care::Renew(renewal, ends) => {
                    renewals.push((Arc::clone(kept), renewal));
                    ends
                }
                Care::Wait(at) => at,
                Care::Drop => return false,
            };
            next_look = Some(next_look.map_or(at, |next| next.min(at)));
            true
        });
        (renewals, next_look)
    }

    /// Ends all that is kept, and leaves that and every other job to the task at `home`.
    pub(super) fn shut_down(&mut self, home: Home) {
        self.shut_down = true;
        for (owner, (kept, _)) in std::mem::take(&mut self.kept) {
            match kept.shut_down() {
                Some(job) => self.queue(job, home),
                None => _ = self.leaving.insert(owner),
            }
        }
        for one in &mut self.jobs {
            one.home = home;
        }
    }

    /// The task on `runtime` is gone, and what it has left is for the others.
    pub(super) fn leave(&mut self, runtime: Id) {
        self.tasks.retain(|task| task.runtime != runtime);
        for (kept, home) in self.kept.values_mut() {
            if *home == Some(runtime) {
                *home = None;
                kept.left_alone();
            }
        }
        for one in &mut self.jobs {
            if one.home == Some(runtime) {
                one.home = None;
            }
        }
        self.wake(None, None);
    }

    /// Whether there is nothing to wait for: nothing is under way, and no task will do more.
    pub(super) fn is_done(&self) -> bool {
        let is_idle = self.jobs.is_empty() && self.tasks.iter().all(|task| !task.is_busy);
        self.leaving.is_empty() && (is_idle || self.tasks.is_empty())
    }
}
