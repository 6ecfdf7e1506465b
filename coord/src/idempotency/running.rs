//! The record of a body that is running here, as this process knows it.
//!
//! 1. The record's value names its owner, 128 random bits, so it is nobody else's. What renews it, ends it or
//!    deletes it does so on condition of that value (or of the version that this call's put gave it): another
//!    call's record is never touched, whatever arrives late.
//! 2. Renewal ends before the result is stored. A renewal that is still under way then finds another value,
//!    and changes nothing.
//! 3. The deadline is counted from when the request that proved the record was sent, so it comes before the
//!    store lets the record lapse. Past it the call is lost, whatever the network does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::record::Head;
use crate::clock::{Deadline, Moment};
use crate::error::StoreError;
use crate::lock::{Care, Keeper, Kept, persist};
use crate::store::{Condition, DeleteRequest, OwnerId, Put, PutRequest, Store, Version};

/// How soon a renewal that failed is tried again, at the latest.
const RETRY_RENEWAL: Duration = Duration::from_millis(250);

pub(crate) struct Running {
    name: Arc<str>,
    head: Head<'static>,
    /// The record with this head, as it is stored.
    value: Bytes,
    lease: Duration,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    standing: Standing,
    /// What this call's first put gave the record, until a renewal may have changed it.
    version: Option<Version>,
    deadline: Deadline,
    /// When the keeper should renew.
    due: Instant,
    /// Whether a renewal is under way.
    renewing: bool,
    /// Whether the last renewal failed.
    failing: bool,
    /// Whether the body is being polled.
    at_work: bool,
}

/// That the body is being polled.
pub(super) struct AtWork<'a>(&'a Running);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.state().at_work = false;
    }
}

#[derive(PartialEq, Eq)]
enum Standing {
    Running,
    /// It was ours and is no more.
    Lost,
    /// Its result is being stored, or it is being released.
    Ending,
}

/// What is done in the background, once.
pub(crate) struct Job {
    work: Work,
    /// Past this the store has let the record lapse.
    until: Deadline,
}

enum Work {
    Release(DeleteRequest),
    Complete(PutRequest),
}

impl Running {
    /// The record of `head`, whose put is sent at `sent`.
    pub(super) fn new(
        name: Arc<str>,
        head: Head<'static>,
        value: Bytes,
        lease: Duration,
        sent: Moment,
    ) -> Self {
        let state = State {
            standing: Standing::Running,
            version: None,
            deadline: Deadline::of_lease(sent, lease),
            due: sent.instant() + lease / 3,
            renewing: false,
            failing: false,
            at_work: false,
        };
        Self {
            name,
            head,
            value,
            lease,
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    pub(super) fn head(&self) -> &Head<'static> {
        &self.head
    }

    /// The put that begins it.
    pub(super) fn begin(&self) -> PutRequest {
        self.put(Condition::Absent)
    }

    /// The store has it, with this version.
    pub(super) fn began(&self, version: Version) {
        self.state().version = Some(version);
    }

    /// Whether it is ours, as far as can be known without asking the store.
    pub(super) fn is_ours(&self) -> bool {
        let mut state = self.state();
        self.lose_if_past(&mut state, Moment::now());
        state.standing == Standing::Running
    }

    /// The body is about to be polled, if the record is ours. Until what this returns is dropped, no shutdown releases it.
    pub(super) fn at_work(&self) -> Option<AtWork<'_>> {
        let mut state = self.state();
        self.lose_if_past(&mut state, Moment::now());
        if state.standing != Standing::Running {
            return None;
        }
        state.at_work = true;
        Some(AtWork(self))
    }

    pub(super) fn deadline(&self) -> Deadline {
        self.state().deadline
    }

    /// Resolves when it is no longer ours.
    pub(super) async fn lost(&self, keeper: &Arc<Keeper<Self>>) {
        loop {
            let changed = self.changed.notified();
            if !self.is_ours() {
                return;
            }
            keeper.keep_here(self);
            // The keeper's task may be late, on a thread that somebody blocks.
            self.deadline().limit(changed).await;
        }
    }

    /// Ends the renewal, and gives the condition on which the record is still ours.
    pub(super) fn end(&self) -> Condition {
        let mut state = self.state();
        state.standing = Standing::Ending;
        match state.version {
            Some(version) => Condition::Version(version),
            None => Condition::Value(self.value.clone()),
        }
    }

    /// Deletes it, on condition that it is ours.
    pub(super) fn release(&self) -> DeleteRequest {
        DeleteRequest::new(&*self.name).when(Condition::Value(self.value.clone()))
    }

    /// Releases it in the background.
    pub(super) fn release_later(&self, keeper: &Arc<Keeper<Self>>) {
        self.end();
        keeper.finish_later(self, self.job(Work::Release(self.release())));
    }

    /// Stores its result in the background.
    pub(super) fn complete_later(&self, keeper: &Arc<Keeper<Self>>, request: PutRequest) {
        keeper.finish_later(self, self.job(Work::Complete(request)));
    }

    fn put(&self, condition: Condition) -> PutRequest {
        // Nobody waits for a record to be taken, or to stay.
        PutRequest::new(&*self.name, self.value.clone())
            .when(condition)
            .ttl(self.lease)
            .quiet()
    }

    fn job(&self, work: Work) -> Job {
        Job {
            work,
            until: Deadline::of_lease(Moment::now(), self.lease),
        }
    }

    /// Takes in the answer to a renewal that was sent at `sent`.
    fn renewed(&self, sent: Moment, answer: &Result<Put, StoreError>) {
        let mut state = self.state();
        state.renewing = false;
        if state.standing != Standing::Running {
            return;
        }
        state.failing = answer.is_err();
        match answer {
            Ok(Put::Stored(_)) => {
                state.deadline = Deadline::of_lease(sent, self.lease);
                state.due = sent.instant() + self.lease / 3;
            }
            Ok(Put::Conflict(_)) => self.lose(&mut state),
            Err(_) => state.due = Instant::now() + RETRY_RENEWAL.min(self.lease / 10),
        }
    }

    fn lose_if_past(&self, state: &mut State, now: Moment) {
        if state.standing == Standing::Running && state.deadline.is_past_at(now) {
            self.lose(state);
        }
    }

    fn lose(&self, state: &mut State) {
        state.standing = Standing::Lost;
        self.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept for Running {
    type Renewal = PutRequest;
    type Job = Job;

    fn owner(&self) -> OwnerId {
        OwnerId::from_bits(self.head.owner)
    }

    fn first_look(&self) -> Instant {
        self.state().due
    }

    fn care(&self, moment: Moment) -> Care<PutRequest> {
        let now = moment.instant();
        let mut state = self.state();
        self.lose_if_past(&mut state, moment);
        if state.standing != Standing::Running {
            return Care::Drop;
        }
        // One that is nearly due goes along with the others.
        let early = if state.failing {
            Duration::ZERO
        } else {
            self.lease / 20
        };
        let ends = now + state.deadline.remaining();
        if state.renewing {
            return Care::Wait(ends);
        }
        if state.due > now + early {
            return Care::Wait(ends.min(state.due));
        }
        state.renewing = true;
        state.version = None;
        Care::Renew(self.put(Condition::Value(self.value.clone())), ends)
    }

    fn left_alone(&self) {
        self.state().renewing = false;
        self.changed.notify_waiters();
    }

    fn shut_down(&self) -> Option<Job> {
        let mut state = self.state();
        if state.standing == Standing::Running {
            self.lose(&mut state);
        }
        (!state.at_work).then(|| self.job(Work::Release(self.release())))
    }

    async fn renew(store: Arc<dyn Store>, batch: Vec<(Arc<Self>, PutRequest)>) {
        let store = &store;
        join_all(batch.into_iter().map(|(running, request)| async move {
            let sent = Moment::now();
            running.renewed(sent, &store.put_record(&request).await);
        }))
        .await;
    }

    async fn carry_out(store: Arc<dyn Store>, job: Job) {
        // If it cannot be done in time, the record lapses.
        match job.work {
            Work::Release(request) => {
                let _ = persist(job.until, || store.delete_record(&request)).await;
            }
            Work::Complete(request) => {
                let put = persist(job.until, || store.put_record(&request)).await;
                // It lapsed before, and nobody has taken it.
                if matches!(put, Ok(Put::Conflict(None))) && !job.until.is_past() {
                    let anew = PutRequest::new(request.key, request.value)
                        .when(Condition::Absent)
                        .ttl(request.ttl);
                    let _ = persist(job.until, || store.put_record(&anew)).await;
                }
            }
        }
    }
}
