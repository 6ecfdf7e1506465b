//! Getting a saga of closures: created, gone on with, or waited for. Within a process one call at a time has it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::body::ClosureSaga;
use super::replay::Replay;
use crate::context::Context;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::Key;
use crate::observe::{SagaEvent, emit};
use crate::saga::conduct::{failure_of, head_name, log_name};
use crate::saga::error::SagaError;
use crate::saga::executor::Executor;
use crate::saga::head::{About, Head, SagaState, milliseconds, now};
use crate::saga::journal::{Journal, Stop, insist};
use crate::saga::membership::{Member, is_alive};
use crate::store::{Condition, Entry, Put, PutRequest, Version, Watch, Watched};

/// What these sagas are called in the store.
const NAME: &str = "closures";
/// How soon a store that is away is asked again.
const RETRY: Duration = Duration::from_millis(250);

/// The right of one call in this process to have the saga.
pub(super) struct Claim {
    pub(super) coordinator: Coordinator,
    pub(super) executor: Arc<Executor>,
    pub(super) key: Key,
    pub(super) id: Arc<str>,
    head_key: Arc<str>,
    context: Context,
    /// Those who wait for it see this go.
    _claimed: watch::Sender<()>,
}

pub(super) enum Found {
    Ended(SagaError),
    /// It is completed, and the body gives its result again.
    Again(Journal<Replay>),
    Ours(Journal<Replay>),
}

/// What is done in the background if a call is dropped: others may go on with the saga.
pub(super) struct LeftBehind {
    put: Option<PutRequest>,
    member: Arc<Member>,
    coordinator: Coordinator,
}

impl Claim {
    pub(super) async fn of(coordinator: &Coordinator, key: &Key) -> Result<Self, SagaError> {
        let executor = Executor::of(coordinator)?;
        let head_key = head_name(coordinator, NAME, key);
        if Context::holds(&head_key) {
            let template = key.template();
            return Err(Error::WouldDeadlock { template }.into());
        }
        let claimed = loop {
            match executor.claim(&head_key) {
                Ok(claimed) => break claimed,
                // It ends when the other one goes.
                Err(mut other) => drop(other.changed().await),
            }
        };
        Ok(Self {
            coordinator: coordinator.clone(),
            executor,
            key: key.clone(),
            id: [NAME, "/", key.as_str()].concat().into(),
            head_key,
            context: Context::current().unwrap_or_else(Context::create),
            _claimed: claimed,
        })
    }

    /// Looks until the saga is ours or has ended.
    pub(super) async fn find(&self, is_first: bool) -> Result<Found, SagaError> {
        let mut watch = None;
        loop {
            let member = match self.executor.member(&self.coordinator).await {
                Ok(member) => member,
                Err(error) if is_first || matches!(error, Error::ShutDown) => {
                    return Err(error.into());
                }
                Err(_) => {
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            match self.look(&member).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => self.wait(&member, &mut watch).await,
                Err(Stop::Lost) => {}
                Err(Stop::Refused(error)) => return Err(Error::from(error).into()),
                Err(Stop::Incompatible(difference)) => {
                    return Err(SagaError::Incompatible {
                        saga: NAME.into(),
                        difference: difference.into(),
                    });
                }
            }
        }
    }

    /// The context of the body.
    pub(super) fn context(&self, saga: &ClosureSaga) -> Context {
        let inside = Context::with_correlation_id(self.context.correlation_id());
        inside.inside_saga(Arc::clone(&self.head_key), Arc::clone(&saga.id))
    }

    async fn look(&self, member: &Arc<Member>) -> Result<Option<Found>, Stop> {
        let store = self.coordinator.store();
        let head = self.new_head(member);
        let put = PutRequest::new(&*self.head_key, head.write())
            .when(Condition::Absent)
            .listed();
        match insist(member, || store.put_record(&put)).await? {
            Put::Stored(version) => {
                emit(self.key.template(), SagaEvent::Started);
                Ok(Some(Found::Ours(self.journal(member, (head, version)))))
            }
            Put::Conflict(None) => Ok(None),
            Put::Conflict(Some(entry)) => self.settle(member, entry).await,
        }
    }

    async fn settle(&self, member: &Arc<Member>, entry: Entry) -> Result<Option<Found>, Stop> {
        let head = Head::read(&entry.value).map_err(Stop::Incompatible)?;
        match head.state {
            SagaState::Completed => {
                let mut journal = self.journal(member, (head, entry.version));
                journal.read_history().await?;
                Ok(Some(Found::Again(journal)))
            }
            SagaState::Running => {
                if !self.is_gone(member, head.about.owner.as_deref()).await? {
                    return Ok(None);
                }
                let mut journal = self.journal(member, (head, entry.version));
                journal.read_history().await?;
                journal.own().await?;
                emit(self.key.template(), SagaEvent::Recovered);
                Ok(Some(Found::Ours(journal)))
            }
            state => Ok(Some(Found::Ended(failure_of(state, head.about.failure)))),
        }
    }

    async fn is_gone(&self, member: &Member, owner: Option<&str>) -> Result<bool, Stop> {
        match owner {
            // In this process nobody but us has it.
            Some(owner) if owner != member.id && !self.executor.was(owner) => {
                Ok(!insist(member, || is_alive(&self.coordinator, owner)).await?)
            }
            _ => Ok(true),
        }
    }

    /// Returns when it is time to look again.
    async fn wait(&self, member: &Member, watch: &mut Option<Watch>) {
        match watch {
            None => {
                let watched = Watched::Record(self.head_key.to_string());
                let store = self.coordinator.store();
                *watch = insist(member, || store.watch(&watched)).await.ok();
            }
            Some(watch) => {
                // Its executor may die without a word.
                let longest = self.coordinator.lock_ttl() / 3;
                let _ = tokio::time::timeout(longest, watch.changed()).await;
            }
        }
    }

    fn new_head(&self, member: &Member) -> Head {
        Head {
            state: SagaState::Running,
            about: About {
                name: NAME.to_owned(),
                key: self.key.as_str().to_owned(),
                run: rand::random(),
                owner: Some(member.id.clone()),
                epoch: 1,
                steps: Vec::new(),
                retention: milliseconds(self.coordinator.saga_retention()),
                correlation: self.context.correlation_id().to_owned(),
                began: now(),
                ended: None,
                failure: None,
            },
            input: Bytes::from_static(b"null"),
            first: Bytes::new(),
            last: Bytes::new(),
        }
    }

    fn journal(&self, member: &Arc<Member>, stored: (Head, Version)) -> Journal<Replay> {
        let log = log_name(&self.coordinator, stored.0.about.run);
        let head_key = Arc::clone(&self.head_key);
        let store = self.coordinator.store();
        Journal::new(
            store,
            Arc::clone(member),
            None,
            head_key,
            stored,
            log,
            Replay::default(),
        )
    }
}

impl LeftBehind {
    pub(super) fn of(claim: &Claim, journal: &Journal<Replay>) -> Self {
        Self {
            put: Some(journal.disown()),
            member: Arc::clone(&journal.member),
            coordinator: claim.coordinator.clone(),
        }
    }

    pub(super) fn nothing(&mut self) {
        self.put = None;
    }
}

impl Drop for LeftBehind {
    fn drop(&mut self) {
        if let Some(put) = self.put.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (member, coordinator) = (Arc::clone(&self.member), self.coordinator.clone());
            runtime.spawn(async move {
                // If it cannot be done, the saga is free when the membership ends.
                let _ = insist(&member, || coordinator.store().put_record(&put)).await;
            });
        }
    }
}
