//! What a call does about what the store has under its key.
//!
//! One put asks and begins at once: it stores a running record if there is none, and its conflict carries what
//! is there instead. What follows is a row of [`settle`]:
//!
//! | the record is | then |
//! |---|---|
//! | absent, or lapsed, which is the same | it is ours now: run the body |
//! | of another fingerprint, whatever its state | `FingerprintMismatch` |
//! | finished | replay |
//! | running, and ours: the answer to an earlier copy of the put got lost | run the body |
//! | running, and another's | wait for it to change or to lapse, or `InProgress` |
//!
//! An answer may take so long that our record has lapsed by then. Nothing has begun under it, so this call looks again.
//!
//! A waiter subscribes first, looks again second, and waits third; and never for longer than until the
//! record lapses, so a lost wake-up costs time and nothing else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::call::Call;
use super::execute::Mine;
use super::record::{Head, Known, State};
use super::running::Running;
use crate::clock::{Deadline, Moment};
use crate::context::{WaitedFor, Waiting};
use crate::error::{Error, StoreError};
use crate::lock::persist;
use crate::store::{Entry, OwnerId, Put, PutRequest, Version, Watch};

/// For how long a store that fails is tried again before the failure is told.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a record may be over when the answer to its put comes. A lease that is shorter than the way to the store
/// always is: then the call is lost.
const LATE_AT_MOST: u32 = 3;
/// A waiter looks this much later than the record lapses, so that the store agrees that it has.
const AFTER_LAPSE: Duration = Duration::from_millis(1);
/// How soon to look again at a record that, against the rules, does not lapse.
const NO_LAPSE: Duration = Duration::from_secs(1);

/// How a call goes on.
pub(super) enum Settled<'c> {
    /// With what is stored.
    Finished(Entry),
    /// With its body.
    Ours(Mine<'c>),
}

/// What a look at the store has found.
enum Found<'c> {
    Nothing(Mine<'c>),
    Finished(Entry),
    RunningHere(Mine<'c>),
    RunningElsewhere { lapses_in: Duration },
}

pub(super) async fn settle(call: &Call) -> Result<Settled<'_>, Error> {
    if let Some(entry) = call.cached() {
        // Nothing is waited for, so others on this thread are let go on now and then.
        tokio::task::consume_budget().await;
        return Ok(Settled::Finished(entry));
    }
    let mut looker = Looker::new(call);
    let mut late = 0;
    loop {
        match looker.look().await? {
            Found::Nothing(mut mine) | Found::RunningHere(mut mine) => {
                if late == LATE_AT_MOST || mine.running().is_ours() {
                    return Ok(Settled::Ours(mine));
                }
                late += 1;
                Box::pin(mine.give_up()).await;
            }
            Found::Finished(entry) => return Ok(Settled::Finished(entry)),
            // On the heap, so that a call that meets nobody carries no room for it.
            Found::RunningElsewhere { lapses_in } => Box::pin(looker.wait(lapses_in)).await?,
        }
    }
}

/// One that looks again and again.
struct Looker<'c> {
    call: &'c Call,
    until: Option<Instant>,
    known: Known,
    watching: Watching,
}

enum Watching {
    NotYet,
    FromTheNextLook,
    Since(Watch),
}

impl<'c> Looker<'c> {
    fn new(call: &'c Call) -> Self {
        Self {
            call,
            until: Instant::now().checked_add(call.wait),
            known: Known::default(),
            watching: Watching::NotYet,
        }
    }

    /// Begins if there is nothing, and otherwise tells what there is.
    async fn look(&mut self) -> Result<Found<'c>, Error> {
        let call = self.call;
        let owner = OwnerId::random();
        let head = Head::begin(owner, call.fingerprint, self.known, call.context.as_ref());
        let value = Bytes::from(head.start(State::Running));
        let asked = Moment::now();
        let running = Running::new(Arc::clone(&call.name), head, value, call.lease, asked);
        let request = running.begin();
        let mine = Mine::asking(call, running);
        let entry = match self.ask(&request, asked).await? {
            Put::Stored(version) => return Ok(Found::Nothing(mine.begun(version))),
            Put::Conflict(entry) => entry,
        };
        // It was there when the put was refused, by the contract of stores.
        let Some(entry) = entry else {
            mine.forget();
            return Ok(Found::RunningElsewhere {
                lapses_in: Duration::ZERO,
            });
        };
        // What is finished is read once, where it is replayed.
        if State::of_record(&entry.value).is_some_and(State::is_finished) {
            mine.forget();
            call.cache(&entry.value, asked, entry.expires_in);
            return Ok(Found::Finished(entry));
        }
        let head = call.read(&entry)?.head;
        if head.owner == owner.to_bits() {
            return Ok(Found::RunningHere(mine.begun(entry.version)));
        }
        mine.forget();
        self.known.learn(&head);
        call.check_fingerprint(&head)?;
        Ok(Found::RunningElsewhere {
            lapses_in: entry.expires_in.unwrap_or(NO_LAPSE),
        })
    }

    /// Sends the put, again with the same identity if an answer does not come, and subscribes on the way if that
    /// is due.
    async fn ask(&mut self, request: &PutRequest, asked: Moment) -> Result<Put, StoreError> {
        let store = &self.call.keeper.store;
        let until = Deadline::of_lease(asked, PATIENCE);
        if let Watching::FromTheNextLook = self.watching {
            let (put, watch) = persist(until, || store.put_watched(request)).await?;
            self.watching = Watching::Since(watch);
            return Ok(put);
        }
        persist(until, || store.put_record(request)).await
    }

    /// Returns when it is time to look again.
    async fn wait(&mut self, lapses_in: Duration) -> Result<(), Error> {
        let Some(until) = self.until else {
            return self.wait_for_change(lapses_in).await;
        };
        let in_progress = Error::InProgress {
            template: self.call.template,
            retry_after: lapses_in,
        };
        if self.call.wait.is_zero() {
            return Err(in_progress);
        }
        tokio::select! {
            biased;
            waited = self.wait_for_change(lapses_in) => waited,
            () = tokio::time::sleep_until(until) => Err(in_progress),
        }
    }

    async fn wait_for_change(&mut self, lapses_in: Duration) -> Result<(), Error> {
        match &mut self.watching {
            Watching::NotYet => self.watching = Watching::FromTheNextLook,
            Watching::FromTheNextLook => {}
            Watching::Since(watch) => {
                let call = self.call;
                let _waiting = Waiting::now(WaitedFor {
                    store: call.store,
                    resource: Arc::clone(&call.name),
                    template: call.template,
                });
                tokio::select! {
                    biased;
                    () = call.keeper.closing() => return Err(Error::ShutDown),
                    _ = watch.changed() => {}
                    () = tokio::time::sleep(lapses_in + AFTER_LAPSE) => {}
                }
            }
        }
        Ok(())
    }
}

impl Mine<'_> {
    fn begun(self, version: Version) -> Self {
        self.running().began(version);
        self
    }
}

impl Call {
    /// Refuses a record that is another request's. One without a fingerprint goes with every other.
    pub(super) fn check_fingerprint(&self, stored: &Head<'_>) -> Result<(), Error> {
        match self.fingerprint.zip(stored.fingerprint) {
            Some((ours, stored)) if ours != stored => Err(Error::FingerprintMismatch {
                template: self.template,
            }),
            _ => Ok(()),
        }
    }
}
