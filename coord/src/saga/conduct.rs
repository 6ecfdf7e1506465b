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
//! Whatever goes wrong on the way, the saga is looked at anew: no store that is away ends one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::random;

use super::drive::{Drive, Ended};
use super::error::{SagaError, StepError};
use super::executor::Executor;
use super::head::{About, Head, SagaState, milliseconds, now};
use super::journal::{Journal, Stop, insist};
use super::membership::{Member, Slot, is_alive};
use super::progress::Progress;
use crate::clock::{Deadline, Moment};
use crate::context::Context;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::Key;
use crate::lock::persist;
use crate::observe::{SagaEvent, emit};
use crate::store::{Condition, Entry, Put, PutRequest, Version, Watch, Watched};

/// For how long a store that fails is tried again before a start is given up.
const PATIENCE: Duration = Duration::from_secs(3);
/// How soon a store that is away is asked again.
const RETRY: Duration = Duration::from_millis(250);

/// A saga to be conducted.
pub(super) struct Conduct {
    pub(super) executor: Arc<Executor>,
    pub(super) drive: Drive,
    pub(super) key: Key,
    /// The input as it is stored.
    pub(super) input: Bytes,
    /// Whether it is created if there is none.
    pub(super) creates: bool,
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
    pub(super) async fn to_the_end(&self) -> (Ended, Option<Box<Journal<Progress>>>) {
        let mut watch = None;
        let mut creates = self.creates;
        let mut is_first = true;
        loop {
            let member = match self.executor.member(self.coordinator()).await {
                Ok(member) => member,
                Err(error) if is_first && creates => return (Err(error.into()), None),
                Err(error @ Error::ShutDown) => return (Err(error.into()), None),
                Err(_) => {
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            let found = if creates {
                self.create(&member, is_first).await
            } else {
                self.look(&member).await
            };
            (creates, is_first) = (false, false);
            match found {
                Ok(Found::Ended(ended)) => return (ended, None),
                Ok(Found::Absent) if self.creates => creates = true,
                Ok(Found::Absent) => return (Err(gone()), None),
                // Others look for orphans too, and one of them was quicker. Nobody is told.
                Ok(Found::Elsewhere) if self.executor.gives_up(&self.drive.head_key) => {
                    return (Err(Error::ShutDown.into()), None);
                }
                Ok(Found::Elsewhere) => self.wait(&member, &mut watch).await,
                Ok(Found::Ours(mut journal)) => match self.drive.to_the_end(&mut journal).await {
                    Ok(ended) => {
                        self.tell_completed(&journal, &ended);
                        return (ended, Some(journal));
                    }
                    Err(Stop::Lost) => {}
                    Err(Stop::Incompatible(difference)) => {
                        return (Err(self.incompatible(difference)), None);
                    }
                    Err(Stop::Refused(error)) => return (Err(Error::from(error).into()), None),
                },
                Err(Stop::Lost) => {}
                Err(Stop::Incompatible(difference)) => {
                    return (Err(self.incompatible(difference)), None);
                }
                Err(Stop::Refused(error)) => return (Err(Error::from(error).into()), None),
            }
        }
    }

    /// Creates the saga if there is none. Two round trips: to list it, and to create it.
    async fn create(&self, member: &Arc<Member>, is_first: bool) -> Result<Found, Stop> {
        let slot = member.slot();
        let list = slot.list(&self.drive.head_key);
        let store = self.coordinator().store();
        if is_first {
            let until = Deadline::of_lease(Moment::now(), PATIENCE);
            if let Err(error) = persist(until, || store.put_record(&list)).await {
                return Ok(Found::Ended(Err(Error::from(error).into())));
            }
        } else {
            insist(member, || store.put_record(&list)).await?;
        }
        let mut journal = self.new_journal(member, slot);
        // A failure comes again when it is driven.
        let _ = self.drive.plan(&mut journal);
        journal.begin_head();
        let put = PutRequest::new(&*self.drive.head_key, journal.head.write())
            .when(Condition::Absent)
            .listed();
        match insist(member, || store.put_record(&put)).await? {
            Put::Stored(version) => {
                journal.stored_as(version);
                emit(self.drive.template, SagaEvent::Started);
                Ok(Found::Ours(Box::new(journal)))
            }
            Put::Conflict(None) => Ok(Found::Absent),
            Put::Conflict(Some(entry)) => {
                journal.give_up_slot();
                self.settle(member, entry).await
            }
        }
    }

    async fn look(&self, member: &Arc<Member>) -> Result<Found, Stop> {
        let store = self.coordinator().store();
        match insist(member, || store.get_record(&self.drive.head_key)).await? {
            None => Ok(Found::Absent),
            Some(entry) => self.settle(member, entry).await,
        }
    }

    /// What to do about a saga that is there.
    async fn settle(&self, member: &Arc<Member>, entry: Entry) -> Result<Found, Stop> {
        let head = Head::read(&entry.value).map_err(Stop::Incompatible)?;
        if self.creates && !is_same(&self.input, &head.input) {
            let saga = self.drive.definition.name.into();
            return Ok(Found::Ended(Err(SagaError::OtherInput { saga })));
        }
        match head.state {
            SagaState::Completed => {
                let slot = None;
                let mut journal = self.journal(member, slot, (head, entry.version))?;
                self.read_history(&mut journal).await?;
                Ok(Found::Ended(Ok(journal.fold.outputs)))
            }
            SagaState::Running => {
                let owner = head.about.owner.clone();
                if self.is_gone(member, owner.as_deref()).await? {
                    self.take_over(member, head, entry.version).await
                } else {
                    Ok(Found::Elsewhere)
                }
            }
            state => Ok(Found::Ended(Err(failure_of(state, head.about.failure)))),
        }
    }

    /// Takes over a saga whose executor is gone.
    async fn take_over(
        &self,
        member: &Arc<Member>,
        head: Head,
        version: Version,
    ) -> Result<Found, Stop> {
        let mut journal = self.journal(member, None, (head, version))?;
        self.read_history(&mut journal).await?;
        let slot = member.slot();
        let list = slot.list(&self.drive.head_key);
        let store = self.coordinator().store();
        insist(member, || store.put_record(&list)).await?;
        journal.keep_slot(slot);
        journal.head.about.steps = self.drive.definition.stored_steps();
        journal.own().await?;
        emit(self.drive.template, SagaEvent::Recovered);
        Ok(Found::Ours(Box::new(journal)))
    }

    async fn read_history(&self, journal: &mut Journal<Progress>) -> Result<(), Stop> {
        journal.read_history().await?;
        let (begun, touched) = (&journal.head.about.steps, journal.fold.touched());
        match self.drive.definition.difference(begun, touched) {
            Some(difference) => Err(Stop::Incompatible(difference)),
            None => Ok(()),
        }
    }

    async fn is_gone(&self, member: &Member, owner: Option<&str>) -> Result<bool, Stop> {
        let Some(owner) = owner else {
            return Ok(true);
        };
        // In this process nobody but us conducts it.
        if owner == member.id || self.executor.was(owner) {
            return Ok(true);
        }
        Ok(!insist(member, || is_alive(self.coordinator(), owner)).await?)
    }

    /// Returns when it is time to look again.
    async fn wait(&self, member: &Member, watch: &mut Option<Watch>) {
        match watch {
            None => {
                let watched = Watched::Record(self.drive.head_key.to_string());
                let store = self.coordinator().store();
                *watch = insist(member, || store.watch(&watched)).await.ok();
            }
            Some(watch) => {
                // Its executor may die without a word.
                let longest = self.coordinator().lock_ttl() / 3;
                let _ = tokio::time::timeout(longest, watch.changed()).await;
            }
        }
    }

    fn new_journal(&self, member: &Arc<Member>, slot: Slot) -> Journal<Progress> {
        let context = Context::current().unwrap_or_else(Context::create);
        let about = About {
            name: self.drive.definition.name.to_owned(),
            key: self.key.as_str().to_owned(),
            run: random(),
            owner: Some(member.id.clone()),
            epoch: 1,
            steps: self.drive.definition.stored_steps(),
            retention: milliseconds(self.coordinator().saga_retention()),
            correlation: context.correlation_id().to_owned(),
            began: now(),
            ended: None,
            failure: None,
        };
        let head = Head {
            state: SagaState::Running,
            about,
            input: self.input.clone(),
            first: Bytes::new(),
            last: Bytes::new(),
        };
        self.journal_of(member, Some(slot), (head, Version::from_bits(0)))
    }

    fn journal(
        &self,
        member: &Arc<Member>,
        slot: Option<Slot>,
        stored: (Head, Version),
    ) -> Result<Journal<Progress>, Stop> {
        if stored.0.about.name != self.drive.definition.name {
            return Err(Stop::Incompatible(
                "it is a saga of another name".to_owned(),
            ));
        }
        Ok(self.journal_of(member, slot, stored))
    }

    fn journal_of(
        &self,
        member: &Arc<Member>,
        slot: Option<Slot>,
        stored: (Head, Version),
    ) -> Journal<Progress> {
        let drive = &self.drive;
        let log = log_name(self.coordinator(), stored.0.about.run);
        let progress = Progress::new(&drive.definition, &drive.input);
        let head_key = Arc::clone(&drive.head_key);
        let store = self.coordinator().store();
        Journal::new(
            store,
            Arc::clone(member),
            slot,
            head_key,
            stored,
            log,
            progress,
        )
    }

    fn coordinator(&self) -> &Coordinator {
        &self.drive.coordinator
    }

    fn tell_completed(&self, journal: &Journal<Progress>, ended: &Ended) {
        if ended.is_ok() {
            let took = now().saturating_sub(journal.head.about.began);
            let took = Duration::from_millis(took);
            emit(self.drive.template, SagaEvent::Completed { took });
        }
    }

    fn incompatible(&self, difference: String) -> SagaError {
        SagaError::Incompatible {
            saga: self.drive.definition.name.into(),
            difference: difference.into(),
        }
    }
}

/// The name of the head of a saga.
pub(super) fn head_name(coordinator: &Coordinator, saga: &str, key: &Key) -> Arc<str> {
    coordinator.name(
        &["saga/", &crate::key::Renderer::encoded(saga)].concat(),
        key,
    )
}

/// The name of the log of a run.
pub(super) fn log_name(coordinator: &Coordinator, run: u128) -> String {
    let prefix = coordinator.prefix("saga-log");
    format!("{prefix}{run:032x}")
}

/// What somebody is told who asks for a saga that ended so.
pub(super) fn failure_of(state: SagaState, failure: Option<(String, String)>) -> SagaError {
    let has_failure = failure.is_some();
    let (step, error) = failure.unwrap_or_default();
    match state {
        SagaState::Stuck => SagaError::Stuck {
            step: step.into(),
            source: StepError::of_text(error),
        },
        SagaState::Abandoned => SagaError::Abandoned {
            reason: error.into(),
        },
        _ if has_failure => SagaError::Compensated {
            step: step.into(),
            source: StepError::of_text(error),
        },
        _ => SagaError::Cancelled,
    }
}

/// A saga that somebody is to go on with, and that is not there any more.
fn gone() -> SagaError {
    SagaError::Abandoned {
        reason: "it is not stored any more".into(),
    }
}

/// Whether two inputs are the same JSON, whatever the order of their maps.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let value = |input| serde_json::from_slice::<serde_json::Value>(input).ok();
    one == other || value(one).is_some_and(|one| value(other) == Some(one))
}
