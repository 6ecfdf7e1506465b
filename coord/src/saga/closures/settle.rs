//! Getting a saga of closures: created, gone on with, or waited for. Within a process one call at a time has it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::NAME;
use super::body::ClosureSaga;
use super::replay::Replay;
use crate::clock::Moment;
use crate::context::{Context, Inside, WaitedFor, Waits};
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::Key;
use crate::saga::conduct::gone;
use crate::saga::error::SagaError;
use crate::saga::head::Head;
use crate::saga::journal::{Journal, Stop, insist};
use crate::saga::leftovers::Leftover;
use crate::saga::membership::Member;
use crate::saga::spot::{self, Spot};
use crate::store::{Entry, Put, PutRequest, Version};

/// The right of one call in this process to have the saga.
pub(super) struct Claim {
    pub(super) spot: Spot,
    context: Context,
    waits: Arc<Waits>,
    /// Those who wait for it see this go.
    _claimed: watch::Sender<()>,
}

pub(super) enum Found {
    Ended(SagaError),
    /// It is completed, and the body gives its result again.
    Again(Journal<Replay>),
    Ours(Journal<Replay>),
}

/// Where it stands.
enum Looked {
    Found(Box<Found>),
    Elsewhere,
    Absent,
}

impl From<Found> for Looked {
    fn from(found: Found) -> Self {
        Self::Found(Box::new(found))
    }
}

/// What a call leaves behind, however it goes. If it is dropped, that is seen to in the background: others may go on with
/// the saga, and if it has ended, its log is to disappear. It is not listed, so nobody else would see to that.
pub(super) struct LeftBehind {
    /// What disowns the saga, and its log; until there is nothing left to do.
    rest: Option<(PutRequest, Leftover)>,
    coordinator: Coordinator,
}

impl Claim {
    pub(super) async fn of(coordinator: &Coordinator, key: Key) -> Result<Self, SagaError> {
        let spot = Spot::new(coordinator, NAME, key)?;
        if coordinator.is_inside(&spot.head_key) {
            let template = spot.template();
            return Err(Error::WouldDeadlock { template }.into());
        }
        let waits = Arc::default();
        let saga = WaitedFor {
            store: coordinator.store_id(),
            resource: Arc::clone(&spot.head_key),
            template: spot.template(),
        };
        let claimed = loop {
            match spot.executor.claim(&spot.head_key, &waits) {
                Ok(claimed) => break claimed,
                Err(mut other) => tokio::select! {
                    biased;
                    () = spot.executor.closing() => return Err(Error::ShutDown.into()),
                    _ = other.gone.changed() => {}
                    template = other.waits.meet(saga.clone()) => {
                        return Err(Error::WouldDeadlock { template }.into());
                    }
                },
            }
        };
        Ok(Self {
            spot,
            waits,
            context: Context::current().unwrap_or_else(Context::create),
            _claimed: claimed,
        })
    }

    /// Looks until the saga is ours or has ended. Once it `was_there`, it is not created any more.
    pub(super) async fn find(&self, was_there: &mut bool) -> Result<Found, SagaError> {
        let began = Moment::now();
        let mut watch = None;
        let mut creates = !*was_there;
        loop {
            let member = self.spot.member(!*was_there).await?;
            let looked = if creates {
                self.create(&member, was_there).await
            } else {
                self.look(&member, was_there).await
            };
            creates = false;
            match looked {
                Ok(Looked::Found(found)) => return Ok(*found),
                Ok(Looked::Elsewhere) => self.spot.wait(&mut watch).await,
                Ok(Looked::Absent) if *was_there || self.spot.may_be_forgotten(began) => {
                    return Ok(Found::Ended(gone()));
                }
                Ok(Looked::Absent) => creates = true,
                Err(Stop::Lost) => {}
                Err(Stop::Refused(error)) => return Err(Error::from(error).into()),
                Err(Stop::Incompatible(difference)) => {
                    return Err(self.spot.incompatible(difference));
                }
            }
        }
    }

    /// The context of the body.
    pub(super) fn context(&self, saga: &ClosureSaga) -> Inside {
        let inside = self.context.clone().correlated(&*saga.correlation);
        let (store, name) = (self.spot.coordinator.store_id(), &self.spot.head_key);
        let (id, waits) = (Arc::clone(&saga.id), Arc::clone(&self.waits));
        inside.inside_saga((store, Arc::clone(name)), id, waits)
    }

    /// Creates the saga, or finds out who has it.
    async fn create(&self, member: &Arc<Member>, was_there: &mut bool) -> Result<Looked, Stop> {
        let input = Bytes::from_static(b"null");
        let correlation = self.context.correlation_id();
        let head = self
            .spot
            .new_head(member, Arc::default(), input, correlation);
        let put = self.spot.put_new(&head);
        let store = self.spot.coordinator.store();
        match insist(member, || store.put_record(&put)).await? {
            Put::Stored(version) => {
                *was_there = true;
                let journal = self.journal(member, head, version);
                Ok(Found::Ours(journal).into())
            }
            Put::Conflict(None) => Ok(Looked::Absent),
            Put::Conflict(Some(entry)) => self.settle(member, entry, was_there).await,
        }
    }

    async fn look(&self, member: &Arc<Member>, was_there: &mut bool) -> Result<Looked, Stop> {
        let store = self.spot.coordinator.store();
        match insist(member, || store.get_record(&self.spot.head_key)).await? {
            None => Ok(Looked::Absent),
            Some(entry) => self.settle(member, entry, was_there).await,
        }
    }

    async fn settle(
        &self,
        member: &Arc<Member>,
        entry: Entry,
        was_there: &mut bool,
    ) -> Result<Looked, Stop> {
        *was_there = true;
        let head = Head::read(&entry.value).map_err(Stop::Incompatible)?;
        match self.spot.settle(member, head, entry.version).await? {
            spot::Found::Completed(head, version) => {
                let mut journal = self.journal(member, head, version);
                journal.read_history().await?;
                Ok(Found::Again(journal).into())
            }
            spot::Found::Failed(error) => Ok(Found::Ended(error).into()),
            spot::Found::Orphaned(head, version) => {
                let mut journal = self.journal(member, head, version);
                journal.read_history().await?;
                journal.own().await?;
                Ok(Found::Ours(journal).into())
            }
            spot::Found::Elsewhere => Ok(Looked::Elsewhere),
        }
    }

    fn journal(&self, member: &Arc<Member>, head: Head, version: Version) -> Journal<Replay> {
        let stored = (head, version);
        self.spot.journal(member, None, stored, Replay::default())
    }
}

impl LeftBehind {
    pub(super) fn of(claim: &Claim, journal: &Journal<Replay>) -> Self {
        let log = Leftover {
            member: Arc::clone(&journal.member),
            log: journal.log.clone(),
            retention: journal.head.retention(),
            slot: None,
        };
        Self {
            rest: Some((journal.disown(), log)),
            coordinator: claim.spot.coordinator.clone(),
        }
    }

    /// What a saga leaves behind that has ended or is stuck.
    pub(super) fn by(mut self, ended: Journal<Replay>) -> Option<Self> {
        if ended.into_leftover().is_none() {
            self.rest = None;
            return None;
        }
        Some(self)
    }

    /// Tries once, so that a store that is away keeps nobody from the result.
    pub(super) async fn clean_up(mut self) {
        if let Some((_, log)) = &self.rest
            && log.expire(&**self.coordinator.store()).await.is_ok()
        {
            self.rest = None;
        }
    }
}

impl Drop for LeftBehind {
    fn drop(&mut self) {
        if let Some((put, log)) = self.rest.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let coordinator = self.coordinator.clone();
            runtime.spawn(async move {
                let store = coordinator.store();
                // If it cannot be done, the saga is free when the membership ends.
                let answer = insist(&log.member, || store.put_record(&put)).await;
                if let Ok(Put::Conflict(Some(entry))) = answer
                    && Head::read(&entry.value).is_ok_and(|head| head.state.is_final())
                {
                    log.clean_up(&**store).await;
                }
            });
        }
    }
}
