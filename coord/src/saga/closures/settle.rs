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
use crate::saga::journal::{Journal, Ours, Stop, disown, insist};
use crate::saga::leftovers::Leftover;
use crate::saga::membership::Member;
use crate::saga::spot::{self, Spot, log_name};
use crate::store::{Entry, Put, PutRequest, Store, Version};

/// The right of one call in this process to have the saga.
pub(super) struct Claim {
    pub(super) spot: Spot,
    context: Context,
    waits: Arc<Waits>,
    /// Those who wait for it see this go.
    claimed: Arc<watch::Sender<()>>,
}

pub(super) enum Found {
    Ended(SagaError),
    /// It is completed, and the body gives its result again.
    Again(Journal<Replay>),
    Ours(Journal<Replay>, LeftBehind),
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
    /// Until there is nothing left to do.
    rest: Option<Box<Rest>>,
    coordinator: Coordinator,
}

struct Rest {
    sent: Sent,
    head_key: Arc<str>,
    ours: Ours,
    log: Leftover,
    /// While it is not known what has become of what was sent, nobody else in this process has the saga, which would be taken
    /// for that.
    claimed: Option<Arc<watch::Sender<()>>>,
}

/// What of a call may have been stored, or be on its way.
enum Sent {
    /// What begins the saga.
    Begin(PutRequest),
    /// What makes it ours. This makes it nobody's.
    Own(PutRequest),
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
            claimed: Arc::new(claimed),
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
        let mut left = LeftBehind::of(
            self,
            Ours::of(member, &head),
            &head,
            Sent::Begin(put.clone()),
        );
        let store = self.spot.coordinator.store();
        match insist(member, || store.put_record(&put)).await? {
            Put::Stored(version) => {
                *was_there = true;
                let journal = self.journal(member, head, version);
                left.is_known(&journal);
                Ok(Found::Ours(journal, left).into())
            }
            Put::Conflict(there) => {
                left.rest = None;
                match there {
                    None => Ok(Looked::Absent),
                    Some(entry) => self.settle(member, entry, was_there).await,
                }
            }
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
                let ours = Ours::of_the_next(member, &journal.head);
                let sent = Sent::Own(journal.disown());
                let mut left = LeftBehind::of(self, ours, &journal.head, sent);
                let owned = journal.own().await;
                if matches!(owned, Err(Stop::Lost)) {
                    // This call goes on, and what it owns next could be taken for what it did not get.
                    left.rest = None;
                }
                owned?;
                left.is_known(&journal);
                Ok(Found::Ours(journal, left).into())
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
    fn of(claim: &Claim, ours: Ours, head: &Head, sent: Sent) -> Self {
        let coordinator = claim.spot.coordinator.clone();
        let log = Leftover {
            member: Arc::clone(&ours.member),
            log: log_name(&coordinator, head.about.run),
            retention: head.retention(),
            slot: None,
        };
        let rest = Rest {
            sent,
            head_key: Arc::clone(&claim.spot.head_key),
            ours,
            log,
            claimed: Some(Arc::clone(&claim.claimed)),
        };
        Self {
            rest: Some(Box::new(rest)),
            coordinator,
        }
    }

    /// It is stored that the saga is ours.
    fn is_known(&mut self, journal: &Journal<Replay>) {
        if let Some(rest) = &mut self.rest {
            rest.sent = Sent::Own(journal.disown());
            rest.claimed = None;
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
        if let Some(rest) = &self.rest
            && rest.log.expire(&**self.coordinator.store()).await.is_ok()
        {
            self.rest = None;
        }
    }
}

impl Rest {
    /// Leaves the saga to others. If that cannot be done, it is free when the membership ends.
    async fn leave(self, store: &dyn Store) -> Result<(), Stop> {
        let member = &self.ours.member;
        let mut put = match self.sent {
            Sent::Begin(put) => {
                // Sent again, it tells what has become of it, and nothing of it comes later.
                let stored = insist(member, || store.put_record(&put)).await?;
                let (Put::Stored(version), Ok(head)) = (stored, Head::read(&put.value)) else {
                    return Ok(());
                };
                disown(&self.head_key, head, version)
            }
            Sent::Own(put) => put,
        };
        // The first one also keeps what would make it ours from being stored later.
        while let Put::Conflict(Some(there)) = insist(member, || store.put_record(&put)).await? {
            let Ok(head) = Head::read(&there.value) else {
                break;
            };
            if head.state.is_final() {
                self.log.clean_up(store).await;
                break;
            }
            if !self.ours.is(&head) {
                break;
            }
            put = disown(&self.head_key, head, there.version);
        }
        Ok(())
    }
}

impl Drop for LeftBehind {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let coordinator = self.coordinator.clone();
            runtime.spawn(async move {
                let _ = rest.leave(&**coordinator.store()).await;
            });
        }
    }
}
