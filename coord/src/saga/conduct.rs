//! Conducting a saga: finding out where it stands, and driving it if it is ours.
//!
//! | the head is | then |
//! |---|---|
//! | absent | create it, and drive |
//! | of another input | `OtherInput` |
//! | ended, or stuck | that is the result |
//! | running, and its executor is alive | wait for a change, then look again; leave it if nobody waits here |
//! | running, and its executor is gone | take it over, and drive |
//!
//! Whatever goes wrong on the way, the saga is looked at anew: no store that is away ends one. One that was there, and is
//! not any more, has ended and was forgotten: it is not created again, since its steps would be run again with other keys.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::drive::{Drive, Ended};
use super::error::SagaError;
use super::head::Head;
use super::journal::{Journal, Stop, insist};
use super::membership::{Member, Slot, list_orphan};
use super::progress::Progress;
use super::spot::{self, Spot};
use crate::clock::{Deadline, Moment};
use crate::context::Context;
use crate::error::{Error, StoreError};
use crate::idempotency::Fingerprint;
use crate::lock::persist;
use crate::store::{Entry, Put, PutRequest, Version};

/// For how long a store that fails is tried again before a start is given up.
const PATIENCE: Duration = Duration::from_secs(3);

/// A saga to be conducted.
pub(super) struct Conduct {
    pub(super) drive: Drive,
    /// The input as it is stored.
    pub(super) input: Bytes,
    /// Whether it is created if there is none. Not any more, once there was one.
    pub(super) creates: bool,
    /// The place in the list that it had when it was lost, until it is known what has become of it: who only began to give it
    /// up lists it nowhere.
    pub(super) listed: Option<Slot>,
}

/// Where it stands.
enum Found {
    Ended(Ended),
    Ours(Box<Journal<Progress>>),
    Elsewhere,
    Absent,
}

impl Conduct {
    /// Goes on until the saga has ended, here or elsewhere. The journal is to be cleaned up.
    pub(super) async fn go_to_the_end(&mut self) -> (Ended, Option<Box<Journal<Progress>>>) {
        let began = Moment::now();
        let mut watch = None;
        let mut creates = self.creates;
        let mut is_first = true;
        loop {
            let member = match self.spot().member(is_first && creates).await {
                Ok(member) => member,
                Err(error) => return (Err(error.into()), None),
            };
            let found = if creates {
                self.create(&member, is_first).await
            } else {
                Box::pin(self.look(&member)).await
            };
            (creates, is_first) = (false, false);
            if found.is_ok() {
                // It has ended, or whoever has it lists it, which may be this process once more.
                self.listed.take().into_iter().for_each(Slot::free);
            }
            let stop = match found {
                Ok(Found::Ended(ended)) => return (ended, None),
                Ok(Found::Absent) if !self.creates || self.spot().may_be_forgotten(began) => {
                    return (Err(gone()), None);
                }
                Ok(Found::Absent) => {
                    creates = true;
                    continue;
                }
                // Others look for orphans too, and one of them was quicker. Nobody is told.
                Ok(Found::Elsewhere) if self.spot().is_given_up() => {
                    return (Err(Error::ShutDown.into()), None);
                }
                Ok(Found::Elsewhere) => {
                    self.spot().wait(&mut watch).await;
                    continue;
                }
                Ok(Found::Ours(mut journal)) => {
                    self.spot().take_back();
                    match self.drive.to_the_end(&mut journal).await {
                        Ok(ended) => return (ended, Some(journal)),
                        Err(stop) => {
                            self.give_up(&mut journal, &stop).await;
                            self.listed = journal.take_slot();
                            stop
                        }
                    }
                }
                Err(stop) => stop,
            };
            match stop {
                Stop::Lost => {}
                Stop::Refused(error) => {
                    self.spot().leave();
                    return (Err(Error::from(error).into()), None);
                }
                Stop::Incompatible(difference) => {
                    self.spot().leave();
                    let saga = self.spot().name;
                    tracing::warn!(
                        saga,
                        difference,
                        "a saga is left to processes with other code"
                    );
                    return (Err(self.spot().incompatible(difference)), None);
                }
            }
        }
    }

    /// Creates the saga if there is none.
    async fn create(&mut self, member: &Arc<Member>, is_first: bool) -> Result<Found, Stop> {
        let slot = member.slot();
        let list = slot.list(&self.spot().head_key);
        let context = Context::current().unwrap_or_else(Context::create);
        let steps = self.drive.definition.stored_steps();
        let correlation = context.correlation_id();
        let head = self
            .spot()
            .new_head(member, steps, self.input.clone(), correlation);
        let mut journal = self.journal(member, Some(slot), (head, Version::from_bits(0)));
        // A failure comes again when it is driven.
        let _ = self.drive.plan(&mut journal);
        journal.begin_head();
        let put = self.spot().put_new(&journal.head);
        match self.store_new(member, &list, &put, is_first).await? {
            Err(error) => {
                journal.give_up_slot();
                Ok(Found::Ended(Err(Error::from(error).into())))
            }
            Ok(Put::Stored(version)) => {
                self.creates = false;
                journal.stored_as(version);
                self.drive.cancel.stored.raise();
                Ok(Found::Ours(Box::new(journal)))
            }
            Ok(Put::Conflict(there)) => {
                journal.give_up_slot();
                match there {
                    None => Ok(Found::Absent),
                    // On the heap, so that a saga that is new carries no room for it.
                    Some(entry) => Box::pin(self.settle(member, entry)).await,
                }
            }
        }
    }

    /// Lists the saga and stores its head. While it certainly has not begun, a store that fails is given up in the end, and
    /// fails the start; what may have begun goes on as soon as the store does.
    async fn store_new(
        &self,
        member: &Arc<Member>,
        list: &PutRequest,
        put: &PutRequest,
        is_first: bool,
    ) -> Result<Result<Put, StoreError>, Stop> {
        let store = self.spot().coordinator.store();
        if is_first {
            let until = Deadline::of_lease(Moment::now(), PATIENCE);
            let begin = async || match store.put_after(list, put).await {
                Err(error) if error.may_have_applied() => Ok(None),
                answer => answer.map(Some),
            };
            match persist(until, begin).await {
                Ok(None) => {}
                Ok(Some(answer)) => return Ok(Ok(answer)),
                Err(error) => return Ok(Err(error)),
            }
        }
        insist(member, || store.put_after(list, put)).await.map(Ok)
    }

    async fn look(&mut self, member: &Arc<Member>) -> Result<Found, Stop> {
        let store = self.spot().coordinator.store();
        match insist(member, || store.get_record(&self.spot().head_key)).await? {
            None => Ok(Found::Absent),
            Some(entry) => self.settle(member, entry).await,
        }
    }

    /// What to do about a saga that is there.
    async fn settle(&mut self, member: &Arc<Member>, entry: Entry) -> Result<Found, Stop> {
        self.creates = false;
        self.drive.cancel.stored.raise();
        let head = Head::read(&entry.value).map_err(Stop::Incompatible)?;
        if !is_same(&self.input, &head.input) {
            let saga = self.spot().name.into();
            return Ok(Found::Ended(Err(SagaError::OtherInput { saga })));
        }
        match self.spot().settle(member, head, entry.version).await? {
            spot::Found::Completed(head, version) => {
                let mut journal = self.journal(member, None, (head, version));
                self.read_history(&mut journal).await?;
                Ok(Found::Ended(Ok(journal.fold.outputs)))
            }
            spot::Found::Failed(error) => Ok(Found::Ended(Err(error))),
            spot::Found::Orphaned(head, version) => self.take_over(member, head, version).await,
            spot::Found::Elsewhere => Ok(Found::Elsewhere),
        }
    }

    /// Takes over a saga whose executor is gone.
    async fn take_over(
        &mut self,
        member: &Arc<Member>,
        head: Head,
        version: Version,
    ) -> Result<Found, Stop> {
        let mut journal = self.journal(member, None, (head, version));
        self.read_history(&mut journal).await?;
        let slot = member.slot();
        let list = slot.list(&self.spot().head_key);
        let store = self.spot().coordinator.store();
        insist(member, || store.put_record(&list)).await?;
        journal.keep_slot(slot);
        journal.head.about.steps = self.drive.definition.stored_steps();
        let owned = journal.own().await;
        if owned.is_err() {
            self.listed = journal.take_slot();
        }
        owned?;
        Ok(Found::Ours(Box::new(journal)))
    }

    /// Lets others have a saga of ours that this process cannot go on with.
    async fn give_up(&self, journal: &mut Journal<Progress>, stop: &Stop) {
        if matches!(stop, Stop::Lost) {
            return;
        }
        if matches!(stop, Stop::Incompatible(_)) {
            // What is done is not to be done again. If that cannot be stored, neither can what follows.
            let _ = journal.flush().await;
        }
        let (coordinator, run) = (&self.spot().coordinator, journal.head.about.run);
        let orphan = list_orphan(coordinator, run, &self.spot().head_key);
        // If that cannot be done, they have it when this membership ends.
        let _ = journal.give_up(&orphan).await;
    }

    async fn read_history(&self, journal: &mut Journal<Progress>) -> Result<(), Stop> {
        journal.read_history().await?;
        let (begun, touched) = (&journal.head.about.steps, journal.fold.touched());
        if let Some(difference) = self.drive.definition.difference(begun, touched) {
            return Err(Stop::Incompatible(difference));
        }
        match journal.fold.wrongly_skipped() {
            None => Ok(()),
            Some(step) => Err(Stop::Incompatible(format!(
                "it has left out the step `{step}`, which is not left out any more"
            ))),
        }
    }

    fn journal(
        &self,
        member: &Arc<Member>,
        slot: Option<Slot>,
        stored: (Head, Version),
    ) -> Journal<Progress> {
        let progress = Progress::new(&self.drive.definition, &self.drive.input);
        self.spot().journal(member, slot, stored, progress)
    }

    pub(super) fn spot(&self) -> &Spot {
        &self.drive.spot
    }
}

/// A saga that somebody is to go on with, and that is not there any more.
pub(super) fn gone() -> SagaError {
    SagaError::Abandoned {
        reason: "it is not stored any more".into(),
    }
}

/// Whether two inputs are the same JSON, whatever the order of their maps and the length of their integers.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let fingerprint = |input| Fingerprint::of_json(input).ok();
    one == other || fingerprint(one).is_some_and(|one| fingerprint(other) == Some(one))
}
