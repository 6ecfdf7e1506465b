//! Work that tasks hand to a thread of ours.
//!
//! SQLite blocks, so no task calls it. A thread takes whatever has been handed over meanwhile, in order, and a task
//! that is dropped does not take its work back, it only does not hear of it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most that is taken at once.
const LARGEST: usize = 512;

/// The end at which work is handed over. When the last one is dropped, the thread ends.
pub(super) struct Queue<J>(Arc<Shared<J>>);

/// The end at which the thread takes work.
pub(super) struct Work<J>(Arc<Shared<J>>);

struct Shared<J> {
    state: Mutex<State<J>>,
    arrived: Condvar,
}

struct State<J> {
    jobs: Vec<J>,
    /// Whether one of the ends is gone.
    closed: bool,
}

/// A queue.
pub(super) fn queue<J>() -> (Queue<J>, Work<J>) {
    let state = State {
        jobs: Vec::new(),
        closed: false,
    };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        arrived: Condvar::new(),
    });
    (Queue(Arc::clone(&shared)), Work(shared))
}

impl<J> Queue<J> {
    /// Hands over a job. If the thread has ended, the job is dropped.
    pub(super) fn push(&self, job: J) {
        let mut state = self.0.state();
        if state.closed {
            return;
        }
        state.jobs.push(job);
        drop(state);
        self.0.arrived.notify_one();
    }
}

impl<J> Drop for Queue<J> {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.arrived.notify_one();
    }
}

impl<J> Work<J> {
    /// Waits until there is work, and takes it; or takes nothing, if there was none for as long as `patience`.
    /// `None`: there will be no work any more.
    pub(super) fn take(&self, patience: Option<Duration>) -> Option<Vec<J>> {
        let idle = |state: &mut State<J>| state.jobs.is_empty() && !state.closed;
        let state = self.0.state();
        let mut state = match patience {
            None => self
                .0
                .arrived
                .wait_while(state, idle)
                .unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                self.0
                    .arrived
                    .wait_timeout_while(state, patience, idle)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        if state.jobs.len() > LARGEST {
            let rest = state.jobs.split_off(LARGEST);
            return Some(std::mem::replace(&mut state.jobs, rest));
        }
        let jobs = std::mem::take(&mut state.jobs);
        (!jobs.is_empty() || !state.closed).then_some(jobs)
    }
}

/// However the thread ends, nobody waits for it any more.
impl<J> Drop for Work<J> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        drop(jobs);
    }
}

impl<J> Shared<J> {
    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
