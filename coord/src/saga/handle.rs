//! Starting a declared saga, and what its starter has of it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;

use super::conduct::Conduct;
use super::definition::{Definition, Saga};
use super::drive::Drive;
use super::error::SagaError;
use super::executor::{Executor, Running};
use super::head::{Head, SagaState};
use super::log::{Event, Kind};
use super::outputs::Finished;
use super::spot::{Spot, log_name};
use super::step::Input;
use crate::context::WaitedFor;
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::Key;
use crate::store::{Append, AppendRequest, Condition, Entry, Put, PutRequest, Version};

/// A saga that was started. It goes on whatever becomes of this.
pub struct SagaHandle<S> {
    coordinator: Coordinator,
    id: Arc<str>,
    head_key: Arc<str>,
    template: &'static str,
    running: Arc<Running>,
    saga: PhantomData<fn() -> S>,
}

/// Starts a saga, or joins the one with its key, and waits for it to end.
///
/// Dropping the future leaves the saga to the background, where it goes on.
pub async fn run_saga<S: Saga>(
    coordinator: Option<&Coordinator>,
    saga: S,
) -> Result<S::Outputs, SagaError> {
    start_saga(coordinator, saga)?.wait().await
}

/// That an input has more bytes than there is room for, with what is stored beside it.
fn check_size(input: &[u8], largest: usize) -> Result<(), Error> {
    const AROUND: usize = 48 * 1024;
    let (bytes, limit) = (input.len(), largest - AROUND.min(largest / 4));
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::InvalidOption {
        option: "input",
        problem: format!(
            "the saga as JSON has {bytes} bytes and the limit is {limit}: store it elsewhere, and let the saga \
             refer to it"
        )
        .into(),
    })
}

/// Starts a saga in the background, or joins the one with its key.
pub fn start_saga<S: Saga>(
    coordinator: Option<&Coordinator>,
    saga: S,
) -> Result<SagaHandle<S>, SagaError> {
    let coordinator = coordinator.cloned().map_or_else(Coordinator::current, Ok)?;
    let definition = Definition::of::<S>();
    definition.check(&coordinator)?;
    let key = saga.key()?;
    let template = key.template();
    let input = (S::codec().write)(&saga).map_err(|problem| Error::InvalidOption {
        option: "input",
        problem: format!("the saga cannot be written as JSON ({problem})").into(),
    })?;
    let executor = Executor::of(&coordinator)?;
    check_size(&input, executor.largest)?;
    let input = (Arc::new(saga) as _, input.into());
    let mut conduct = Conduct::new(&coordinator, definition, input, key)?;
    conduct.creates = true;
    let spot = conduct.spot();
    let (id, head_key) = (Arc::clone(&spot.id), Arc::clone(&spot.head_key));
    Ok(SagaHandle {
        running: executor.conduct(conduct)?,
        coordinator,
        id,
        head_key,
        template,
        saga: PhantomData,
    })
}

impl Conduct {
    /// One that goes on with a saga that is there; `input` is read, and as it is stored.
    pub(super) fn new(
        coordinator: &Coordinator,
        definition: Arc<Definition>,
        (input, stored): (Input, Bytes),
        key: Key,
    ) -> Result<Self, Error> {
        let drive = Drive {
            spot: Spot::new(coordinator, definition.name, key)?,
            cancel: Arc::default(),
            waits: Arc::default(),
            definition,
            input,
        };
        Ok(Self {
            drive,
            input: stored,
            creates: false,
            listed: None,
        })
    }
}

impl<S: Saga> SagaHandle<S> {
    /// The saga's id: its name and its key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Waits for the saga to end. Dropping the future changes nothing.
    ///
    /// # Errors
    ///
    /// See [`SagaError`]. [`Error::WouldDeadlock`] in a step of the same saga, and as soon as a step in this process waits
    /// for a lock or an idempotent call inside whose body this is awaited: the saga goes on when that body has ended.
    pub async fn wait(&self) -> Result<S::Outputs, SagaError> {
        if self.coordinator.is_inside(&self.head_key) {
            let template = self.template;
            return Err(Error::WouldDeadlock { template }.into());
        }
        let saga = WaitedFor {
            store: self.coordinator.store_id(),
            resource: Arc::clone(&self.head_key),
            template: self.template,
        };
        let outputs = tokio::select! {
            biased;
            ended = self.running.ended() => ended?,
            template = self.running.waits.meet(saga) => {
                return Err(Error::WouldDeadlock { template }.into());
            }
        };
        Ok(S::outputs(&Finished {
            outputs: &outputs,
            template: self.template,
        })?)
    }

    /// Where the saga stands, or `None` if it is not stored yet or not any more. One round trip.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails.
    pub async fn status(&self) -> Result<Option<SagaState>, Error> {
        Ok(self.head().await?.map(|(head, _)| head.state))
    }

    /// Asks for the saga to be undone, and says whether it was still under way. It is undone when the step that
    /// is under way has ended, unless it is past its pivot; [`wait`](Self::wait) tells how that went. In another
    /// process it takes effect with the next step. If the saga is not stored yet, this waits until it is.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails.
    pub async fn cancel(&self) -> Result<bool, Error> {
        let mut found = self.head().await?;
        if found.is_none() {
            // It may be on its way.
            self.is_stored().await;
            found = self.head().await?;
        }
        let Some((head, version)) = found.filter(|(head, _)| head.state == SagaState::Running)
        else {
            return Ok(false);
        };
        let log = log_name(&self.coordinator, head.about.run);
        let mut entry = Vec::new();
        Event::of_run(Kind::Cancelled, (0, 0)).write("", &mut entry);
        entry.push(b']');
        let mut request = AppendRequest::new(log, 0, entry);
        while let Append::Conflict { len } = self.coordinator.store().append_log(&request).await? {
            request = AppendRequest::new(request.log, len, request.entry);
        }
        if request.expected_len == 0 {
            self.tell_of_log(&request.log, &head, version).await?;
        }
        self.running.cancel.wanted.raise();
        Ok(true)
    }

    /// Returns when the saga was seen in the store, or will not be.
    async fn is_stored(&self) {
        tokio::select! {
            () = self.running.cancel.stored.raised() => {}
            _ = self.running.ended() => {}
        }
    }

    /// Has whoever ends the saga know of a log that was empty: by a head of another version, if it has not ended yet.
    async fn tell_of_log(&self, log: &str, head: &Head, version: Version) -> Result<(), Error> {
        let put = PutRequest::new(&*self.head_key, head.write())
            .when(Condition::Version(version))
            .listed();
        let store = self.coordinator.store();
        if let Put::Conflict(there) = store.put_record(&put).await? {
            let has_ended =
                |there: Head| there.state.is_final() || there.about.run != head.about.run;
            if there.is_none_or(|there| Head::read(&there.value).is_ok_and(has_ended)) {
                store.expire_log(log, head.retention()).await?;
            }
        }
        Ok(())
    }

    async fn head(&self) -> Result<Option<(Head, Version)>, Error> {
        let entry = self.coordinator.store().get_record(&self.head_key).await?;
        let read = |entry: Entry| Ok((Head::read(&entry.value)?, entry.version));
        entry
            .map(read)
            .transpose()
            .map_err(|problem: String| Error::ResultShapeChanged {
                template: self.template,
                stored: "(not a saga)".into(),
                expected: "a saga",
                problem: problem.into(),
            })
    }
}

impl<S> fmt::Debug for SagaHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaHandle")
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}
