//! The place of a saga in the store: who has it, and its journal. Declared sagas and those of closures are found
//! there alike.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::error::{SagaError, StepError};
use super::executor::Executor;
use super::head::{About, Head, SagaState, StoredSteps, milliseconds, now};
use super::journal::{Fold, Journal, Stop, insist};
use super::membership::{Member, Slot, is_alive};
use crate::clock::Moment;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::{Key, Renderer};
use crate::store::{Condition, PutRequest, Version, Watch, Watched};

/// How soon a store that is away is asked again.
const RETRY: Duration = Duration::from_millis(250);

/// The place of a saga, whether there is one or not.
pub(super) struct Spot {
    pub(super) coordinator: Coordinator,
    pub(super) executor: Arc<Executor>,
    pub(super) name: &'static str,
    pub(super) key: Key,
    /// The name and the key.
    pub(super) id: Arc<str>,
    pub(super) head_key: Arc<str>,
}

/// What a saga is that is stored.
pub(super) enum Found {
    Completed(Head, Version),
    /// It ended otherwise, or is stuck.
    Failed(SagaError),
    /// Its executor is gone.
    Orphaned(Head, Version),
    /// Its executor is alive.
    Elsewhere,
}

impl Spot {
    pub(super) fn new(
        coordinator: &Coordinator,
        name: &'static str,
        key: Key,
    ) -> Result<Self, Error> {
        Ok(Self {
            executor: Executor::of(coordinator)?,
            coordinator: coordinator.clone(),
            id: [name, "/", key.as_str()].concat().into(),
            head_key: head_name(coordinator, name, &key),
            name,
            key,
        })
    }

    /// What stands in metrics and spans in place of the key.
    pub(super) fn template(&self) -> &'static str {
        self.key.template()
    }

    /// This executor as a member. A store that is away is waited for, unless `is_first`: then nothing has begun.
    pub(super) async fn member(&self, is_first: bool) -> Result<Arc<Member>, Error> {
        loop {
            match self.executor.member(&self.coordinator).await {
                Err(error) if !is_first && !matches!(error, Error::ShutDown) => {
                    tracing::debug!(%error, "asking again for a saga");
                    tokio::time::sleep(RETRY).await;
                }
                answer => return answer,
            }
        }
    }

    /// What the saga is whose head this is.
    pub(super) async fn settle(
        &self,
        member: &Member,
        head: Head,
        version: Version,
    ) -> Result<Found, Stop> {
        Ok(match head.state {
            SagaState::Completed => Found::Completed(head, version),
            SagaState::Running => {
                if self.is_gone(member, head.about.owner.as_deref()).await? {
                    Found::Orphaned(head, version)
                } else {
                    Found::Elsewhere
                }
            }
            state => Found::Failed(failure_of(state, head.about.failure)),
        })
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

    /// Whether nobody here waits for this saga of another executor's, so that it is left to that one.
    pub(super) fn is_given_up(&self) -> bool {
        self.executor.gives_up(&self.head_key)
    }

    /// Leaves the saga as it is: this process cannot go on with it.
    pub(super) fn leave(&self) {
        self.executor.leave(&self.head_key);
    }

    /// This process goes on with it, or with another one of its key.
    pub(super) fn take_back(&self) {
        self.executor.take_back(&self.head_key);
    }

    /// Whether a saga that one has asked for since then may have ended and been forgotten, though it was never seen: the
    /// answer that it was stored may be lost.
    pub(super) fn may_be_forgotten(&self, since: Moment) -> bool {
        since.elapsed() >= self.coordinator.saga_retention()
    }

    /// Returns when it is time to look again.
    pub(super) async fn wait(&self, watch: &mut Option<Watch>) {
        match watch {
            None => {
                let watched = Watched::Record(self.head_key.to_string());
                match self.coordinator.store().watch(&watched).await {
                    Ok(started) => *watch = Some(started),
                    // A watch only hints, so nobody waits for one.
                    Err(error) => {
                        tracing::debug!(%error, "looking for a saga without a watch");
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
            Some(watch) => {
                // Its executor may die without a word.
                let longest = self.coordinator.lock_ttl() / 3;
                let _ = tokio::time::timeout(longest, watch.changed()).await;
            }
        }
    }

    /// The head of a saga that `member` begins.
    pub(super) fn new_head(
        &self,
        member: &Member,
        steps: Arc<StoredSteps>,
        input: Bytes,
        correlation: &str,
    ) -> Head {
        Head {
            state: SagaState::Running,
            about: About {
                name: self.name.to_owned(),
                key: self.key.as_str().to_owned(),
                run: rand::random(),
                owner: Some(member.id.clone()),
                epoch: 1,
                steps,
                retention: milliseconds(self.coordinator.saga_retention()),
                correlation: correlation.to_owned(),
                began: now(),
                ended: None,
                failure: None,
            },
            input,
            first: Bytes::new(),
            last: Bytes::new(),
        }
    }

    /// Creates the head, if there is none.
    pub(super) fn put_new(&self, head: &Head) -> PutRequest {
        PutRequest::new(&*self.head_key, head.write())
            .when(Condition::Absent)
            .listed()
    }

    /// The journal of what is stored, or is to be.
    pub(super) fn journal<F: Fold>(
        &self,
        member: &Arc<Member>,
        slot: Option<Slot>,
        stored: (Head, Version),
        fold: F,
    ) -> Journal<F> {
        Journal::new(self, Arc::clone(member), slot, stored, fold)
    }

    /// What differs is `difference`.
    pub(super) fn incompatible(&self, difference: String) -> SagaError {
        SagaError::Incompatible {
            saga: self.name.into(),
            difference: difference.into(),
        }
    }
}

/// The name of the head of a saga.
pub(super) fn head_name(coordinator: &Coordinator, saga: &str, key: &Key) -> Arc<str> {
    coordinator.name(&["saga/", &Renderer::encoded(saga)].concat(), key)
}

/// The name of the log of a run.
pub(super) fn log_name(coordinator: &Coordinator, run: u128) -> String {
    let prefix = coordinator.prefix("saga-log");
    format!("{prefix}{run:032x}")
}

/// What somebody is told who asks for a saga that ended so.
fn failure_of(state: SagaState, failure: Option<(String, String)>) -> SagaError {
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
