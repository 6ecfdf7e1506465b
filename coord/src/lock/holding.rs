//! What this process knows of one lease: where it stands, and until when that can be believed.
//!
//! Invariants:
//!
//! 1. A standing moves only forward: entering, waiting, held, ended. An answer that comes late changes nothing.
//! 2. The deadline of a held lease is counted from when the request that proved it was sent, so it comes
//!    before the store gives the lease away. Past it the lease is lost, whatever the network does.
//! 3. Whoever waits for a change creates the `Notified` first and looks at the standing second.
//! 4. A body is polled only while it is held, and is then at work. What a body is at work under is not given back by
//!    a shutdown, but by the one who has the body, when it has ended, or is dropped at its next await.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::keeper::Care;
use crate::clock::{Deadline, Moment};
use crate::context::LockName;
use crate::error::StoreError;
use crate::store::{FencingToken, LeaseId, Renewal, Renewed};

/// How soon a renewal that failed is tried again, at the latest.
const RETRY_RENEWAL: Duration = Duration::from_millis(250);
/// For how long a waiter whose heartbeats fail hopes for the store to come back.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Holding {
    pub(super) lease: LeaseId,
    pub(super) key: Arc<str>,
    pub(super) name: LockName,
    pub(super) ttl: Duration,
    pub(super) wait_ttl: Duration,
    renews: bool,
    state: Mutex<State>,
    /// How many bodies are being polled under it. It is raised before the standing is looked at, and a shutdown reads it
    /// as it changes that: so either the body sees the end, or the shutdown sees the body.
    at_work: AtomicU32,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    standing: Standing,
    deadline: Deadline,
    /// When the keeper should renew.
    due: Instant,
    /// Whether a renewal is under way.
    renewing: bool,
    /// When another is sent even so, if there may be no answer.
    again: Option<Instant>,
    /// Whether it was handed over, and still has the deadline of its time in line.
    unconfirmed: bool,
    /// Whether the renewal under way was sent before the hand-over, so that its answer may be older.
    overtaken: bool,
    failing_since: Option<Moment>,
    /// Until when it is kept, even if it is given back before.
    at_least_until: Option<Instant>,
}

#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// The request is under way.
    Entering,
    /// In line.
    Waiting,
    /// Held, as far as the deadline lets us believe.
    Held(FencingToken),
    /// A shutdown has left it to the body that is at work under it, which gives it back. Nothing else begins under it.
    Left,
    /// It was held and is no more.
    Lost,
    /// The place in line is gone.
    OutOfLine,
    /// Given back.
    Released,
    /// The store has failed for too long to go on waiting.
    Failed(StoreError),
}

/// That a body is being polled under something that is held.
pub(crate) struct AtWork<'a>(&'a Holding);

/// What something was when it was given back.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was held, and would have been until then.
    Held(Deadline),
    /// It was not held: lost, or never got.
    NotHeld,
    /// It had been given back before.
    Before,
}

impl Holding {
    /// One whose request is sent at `sent`.
    pub(super) fn new(
        lease: LeaseId,
        key: Arc<str>,
        name: LockName,
        times: Times,
        sent: Moment,
    ) -> Self {
        let Times {
            ttl,
            wait_ttl,
            renews,
        } = times;
        let state = State {
            standing: Standing::Entering,
            deadline: Deadline::of_lease(sent, ttl),
            due: sent.instant(),
            renewing: false,
            again: None,
            unconfirmed: false,
            overtaken: false,
            failing_since: None,
            at_least_until: None,
        };
        Self {
            lease,
            key,
            name,
            ttl,
            wait_ttl,
            renews,
            state: Mutex::new(state),
            at_work: AtomicU32::new(0),
            changed: Notify::new(),
        }
    }

    pub(super) fn template(&self) -> &'static str {
        self.name.template
    }

    /// Wakes at the next change. Create it before looking at the standing.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Somebody else renews it from now on. The answer to the renewal under way may come, or not: that is waited for until
    /// half of the rest is over, and accepted whenever it comes. One that may be older than a hand-over is not sent again,
    /// since then there would be two.
    pub(super) fn moves(&self) {
        let mut state = self.state();
        if matches!(state.standing, Standing::Held(_)) && state.renewing && !state.overtaken {
            state.again = Some(Instant::now() + state.deadline.remaining() / 2);
        }
    }

    /// Whoever renewed it is gone, and no answer to a renewal will come.
    pub(super) fn left_alone(&self) {
        let mut state = self.state();
        state.renewing = false;
        state.again = None;
        state.overtaken = false;
        self.notify();
    }

    fn notify(&self) {
        self.changed.notify_waiters();
    }

    /// Where it stands now. A held lease whose deadline has passed is lost from here on.
    pub(super) fn standing(&self) -> Standing {
        let mut state = self.state();
        self.lose_if_past(&mut state, Moment::now());
        state.standing.clone()
    }

    pub(super) fn is_held(&self) -> bool {
        self.is_held_at(Moment::now())
    }

    pub(super) fn is_held_at(&self, now: Moment) -> bool {
        let mut state = self.state();
        self.lose_if_past(&mut state, now);
        matches!(state.standing, Standing::Held(_))
    }

    /// A body is about to be polled, if it is held.
    pub(super) fn at_work(&self) -> Option<AtWork<'_>> {
        self.at_work.fetch_add(1, Ordering::SeqCst);
        let at_work = AtWork(self);
        self.is_held().then_some(at_work)
    }

    pub(super) fn deadline(&self) -> Deadline {
        self.state().deadline
    }

    /// The request sent at `sent` was granted.
    pub(super) fn granted(&self, token: FencingToken, sent: Moment) {
        let mut state = self.state();
        if matches!(state.standing, Standing::Entering | Standing::Waiting) {
            state.standing = Standing::Held(token);
            state.deadline = Deadline::of_lease(sent, self.ttl);
            state.due = sent.instant() + self.ttl / 3;
            self.notify();
        }
    }

    /// The request sent at `sent` got a place in line.
    pub(super) fn waits(&self, sent: Moment, look_again_in: Option<Duration>) {
        let mut state = self.state();
        if matches!(state.standing, Standing::Entering) {
            state.standing = Standing::Waiting;
            state.deadline = Deadline::of_lease(sent, self.wait_ttl);
            state.due = self.next_heartbeat(look_again_in);
        }
    }

    /// The store has told that the waiter was granted. A grant keeps the deadline of the waiter's last
    /// heartbeat, so it can be believed until then; the renewal that is due at once extends it.
    pub(super) fn handed(&self, token: FencingToken) {
        let mut state = self.state();
        if matches!(state.standing, Standing::Waiting) {
            state.due = Instant::now();
            if !state.deadline.is_past() {
                state.standing = Standing::Held(token);
                state.unconfirmed = true;
                state.overtaken = state.renewing;
                self.notify();
            }
        }
    }

    /// Makes the keeper ask the store at once.
    pub(super) fn look_now(&self) {
        self.state().due = Instant::now();
    }

    /// When the keeper should look at it first.
    pub(super) fn first_look(&self) -> Instant {
        let state = self.state();
        match state.standing {
            Standing::Held(_) if !self.renews => state.deadline.instant(),
            Standing::Held(_) => state.due.min(state.deadline.instant()),
            _ => state.due,
        }
    }

    /// Ends it, because it is given back at `now`, and says what it was until then.
    pub(super) fn end(&self, now: Moment) -> Ended {
        let mut state = self.state();
        self.lose_if_past(&mut state, now);
        let ended = match state.standing {
            Standing::Held(_) | Standing::Left => Ended::Held(state.deadline),
            Standing::Released => Ended::Before,
            _ => Ended::NotHeld,
        };
        if matches!(
            state.standing,
            Standing::Held(_) | Standing::Left | Standing::Waiting | Standing::Entering
        ) {
            state.standing = Standing::Released;
        }
        ended
    }

    /// Has a shutdown keep it until then.
    pub(super) fn keep_until(&self, at_least_until: Instant) {
        self.state().at_least_until = Some(at_least_until);
    }

    /// Ends it, because the coordinator shuts down: a body that runs sees its lease lost, unless it ends without an await.
    /// Whether one is at work, and for how long it has to stay after now all the same.
    pub(super) fn shut_down(&self) -> (bool, Option<Duration>) {
        let mut state = self.state();
        let at_work = self.at_work.load(Ordering::SeqCst) > 0;
        state.standing = match state.standing {
            Standing::Held(_) if at_work => Standing::Left,
            Standing::Held(_) => Standing::Lost,
            _ => Standing::OutOfLine,
        };
        self.notify();
        (at_work, rest(state.at_least_until, Moment::now()))
    }

    /// What the keeper is to do at `now`. A renewal that is nearly due goes along, so that
    /// batches form.
    pub(super) fn care(&self, moment: Moment) -> Care<Renewal> {
        let now = moment.instant();
        let mut state = self.state();
        self.lose_if_past(&mut state, moment);
        let (lasts, renews) = match state.standing {
            Standing::Waiting => (self.wait_ttl, true),
            Standing::Held(_) => (self.ttl, self.renews || state.unconfirmed),
            _ => return Care::Drop,
        };
        let ends = match state.standing {
            Standing::Held(_) => now + state.deadline.remaining(),
            _ => now + lasts,
        };
        // A look at a set moment, or after a failure, must not come before it: it would come again at once.
        let early = match state.standing {
            Standing::Held(_) if state.failing_since.is_none() => lasts / 20,
            _ => Duration::ZERO,
        };
        let due = if state.renewing {
            state.again
        } else {
            Some(state.due)
        };
        let Some(due) = due.filter(|_| renews) else {
            return Care::Wait(ends);
        };
        if due > now + early {
            return Care::Wait(due.min(ends));
        }
        state.renewing = true;
        state.again = None;
        let renewal = Renewal {
            lease: self.lease.clone(),
            ttl: self.ttl,
            wait_ttl: self.wait_ttl,
        };
        Care::Renew(renewal, ends)
    }

    /// Takes in the answer to a renewal that was sent at `sent`.
    pub(super) fn renewed(&self, sent: Moment, answer: Result<Renewed, StoreError>) {
        let mut state = self.state();
        state.renewing = false;
        state.again = None;
        let overtaken = std::mem::take(&mut state.overtaken);
        match (answer, &state.standing) {
            (Ok(Renewed::Granted(token)), Standing::Waiting | Standing::Held(_)) => {
                state.failing_since = None;
                state.unconfirmed = false;
                state.standing = Standing::Held(token);
                let renewed = Deadline::of_lease(sent, self.ttl);
                state.deadline = state.deadline.or_later(renewed);
                state.due = sent.instant() + self.ttl / 3;
                self.notify();
            }
            (Ok(Renewed::Waiting { look_again_in, .. }), Standing::Waiting) => {
                state.failing_since = None;
                state.deadline = Deadline::of_lease(sent, self.wait_ttl);
                state.due = self.next_heartbeat(look_again_in);
            }
            (Ok(Renewed::Waiting { .. }), Standing::Held(_)) if overtaken => {
                state.due = Instant::now();
            }
            // It was told that it holds, and is told that it does not: the store has lost something.
            (Ok(Renewed::Gone | Renewed::Waiting { .. }), Standing::Held(_)) => {
                state.standing = Standing::Lost;
                self.notify();
            }
            (Ok(Renewed::Gone), Standing::Waiting) => {
                state.standing = Standing::OutOfLine;
                self.notify();
            }
            (Err(error), Standing::Waiting | Standing::Held(_)) => {
                let since = *state.failing_since.get_or_insert(sent);
                state.due = Instant::now() + RETRY_RENEWAL.min(self.ttl / 10);
                if matches!(state.standing, Standing::Waiting)
                    && state.deadline.is_past()
                    && since.elapsed() > PATIENCE
                {
                    state.standing = Standing::Failed(error);
                    self.notify();
                }
            }
            _ => {}
        }
    }

    fn next_heartbeat(&self, look_again_in: Option<Duration>) -> Instant {
        // A little after somebody in front expires, so that the store agrees that it has.
        let look = look_again_in.map_or(Duration::MAX, |look| look + Duration::from_millis(1));
        Instant::now() + look.min(self.wait_ttl / 3)
    }

    fn lose_if_past(&self, state: &mut State, now: Moment) {
        if matches!(state.standing, Standing::Held(_) | Standing::Left)
            && state.deadline.is_past_at(now)
        {
            state.standing = Standing::Lost;
            self.notify();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What is left at `now` of the time until when a lease is kept.
pub(super) fn rest(at_least_until: Option<Instant>, now: Moment) -> Option<Duration> {
    at_least_until?
        .checked_duration_since(now.instant())
        .filter(|rest| !rest.is_zero())
}

/// How long a lease and a place in line last, and whether the lease is renewed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) ttl: Duration,
    pub(super) wait_ttl: Duration,
    pub(super) renews: bool,
}
