//! Recovery: finding the sagas of executors that are gone, and going on with them.
//!
//! It costs what is orphaned: one look at each executor that has anything listed, and then what the dead ones
//! have listed. One saga that cannot be recovered keeps no other from it.
//!
//! | what is listed by one that is dead has a head that is | then |
//! |---|---|
//! | absent | it stays listed for a while: the head may still be on its way |
//! | stuck, and listed as nobody's | it stays listed: somebody may be about to let it go on |
//! | ended, or stuck | it is not listed any more |
//! | running, and its owner lives | the same: that one lists it |
//! | running, and its owner is gone | it is gone on with, whoever listed it, and is listed for good |

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::OnceCell;

use super::attempt::panicked;
use super::conduct::Conduct;
use super::executor::Executor;
use super::head::{Head, SagaState};
use super::membership::{NOBODY, OWNED, is_alive};
use super::registry::Registered;
use super::spot::log_name;
use crate::coordinator::Coordinator;
use crate::error::{Error, StoreError, without_values};
use crate::key::Key;
use crate::store::{Condition, DeleteRequest, Entry, ListRequest, PutRequest};

/// How long a saga stays listed that is not there. Its process may have been paused before it sent the head, or the network
/// may have kept it; where the list and the head are stored one after the other, nothing else would lead to it.
const MAY_STILL_COME: Duration = Duration::from_secs(60 * 60);

/// How long it stays if nobody looks again.
const LISTED_UNSEEN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a look for orphans has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// How many sagas are gone on with, in the background of this process.
    pub resumed: usize,
    /// The names of sagas that this process does not know. They are left alone, for one that does.
    pub unknown: Vec<String>,
    /// How many could not be looked at, because the store failed or what is stored cannot be read. The next look
    /// tries again.
    pub failed: usize,
}

/// Recovery in the background, from [`Coordinator::recovery`].
#[derive(Debug, Clone)]
#[must_use = "nothing is recovered until `spawn` is called"]
pub struct RecoveryBuilder {
    coordinator: Coordinator,
    every: Duration,
}

impl Recovered {
    fn add(&mut self, other: Self) {
        self.resumed += other.resumed;
        self.unknown.extend(other.unknown);
        self.failed += other.failed;
    }
}

impl Coordinator {
    /// Looks once for sagas whose process is gone, and goes on with them in the background. Those of a process
    /// that died are found when its membership has ended, after `lock_ttl`.
    ///
    /// Dropping the future leaves what was found so far to the background.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let coord = coord::Coordinator::connect("memory:").await?;
    /// let recovered = coord.recover().await?;
    /// assert_eq!(recovered.resumed, 0, "nothing was left behind");
    /// # Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store cannot list what there is, [`Error::ShutDown`].
    pub async fn recover(&self) -> Result<Recovered, Error> {
        let look = Look::new(self)?;
        let mut recovered = Recovered::default();
        let prefix = self.prefix(OWNED);
        let mut after = None;
        while let Some(id) = next_executor(self, &prefix, after).await? {
            let owned = format!("{prefix}{id}/");
            let looked = look.look_through(&id, owned, &mut recovered).await;
            // The others' sagas do not wait for it.
            if let Err(error) = looked {
                recovered.failed += 1;
                tracing::warn!(%error, "the sagas of an executor were not looked at");
            }
            // Behind everything that begins with the id and a slash.
            after = Some(format!("{prefix}{id}0"));
        }
        Ok(recovered)
    }

    /// Recovery in the background: [`recover`](Self::recover) every so often.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let coord = coord::Coordinator::connect("memory:").await?;
    /// coord.recovery().every(std::time::Duration::from_secs(5)).spawn()?;
    /// # Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    pub fn recovery(&self) -> RecoveryBuilder {
        RecoveryBuilder {
            coordinator: self.clone(),
            every: Duration::from_secs(10),
        }
    }
}

impl RecoveryBuilder {
    /// How long from one look to the next. The default is 10 seconds.
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Starts looking. It ends when the coordinator shuts down. Outside of a Tokio runtime this panics, as
    /// [`tokio::spawn`] does.
    ///
    /// # Errors
    ///
    /// [`Error::ShutDown`] if it is shut down.
    pub fn spawn(self) -> Result<(), Error> {
        let executor = Executor::of(&self.coordinator)?;
        tokio::spawn(async move {
            let looks = async {
                loop {
                    if let Err(error) = self.coordinator.recover().await {
                        tracing::warn!(%error, "orphaned sagas were not looked for");
                    }
                    tokio::time::sleep(self.every).await;
                }
            };
            tokio::select! {
                () = executor.closing() => {}
                () = looks => {}
            }
        });
        Ok(())
    }
}

/// The next executor that has anything listed.
async fn next_executor(
    coordinator: &Coordinator,
    prefix: &str,
    after: Option<String>,
) -> Result<Option<String>, StoreError> {
    let request = ListRequest::new(prefix).after(after).limit(1);
    let page = coordinator.store().list_records(&request).await?;
    let first = page.entries.first();
    Ok(first.and_then(|(name, _)| {
        let (id, _) = name.strip_prefix(prefix)?.split_once('/')?;
        Some(id.to_owned())
    }))
}

/// One look at everything that is listed.
struct Look<'a> {
    coordinator: &'a Coordinator,
    executor: Arc<Executor>,
    /// The executors that were asked about, each once.
    alive: Mutex<HashMap<String, Arc<OnceCell<bool>>>>,
}

/// The list of an executor that is gone, or one's own.
struct List<'a> {
    id: &'a str,
    prefix: String,
    is_ours: bool,
    /// Of one's own, the places of what has ended.
    free: HashSet<String>,
}

impl<'a> Look<'a> {
    fn new(coordinator: &'a Coordinator) -> Result<Self, Error> {
        Ok(Self {
            coordinator,
            executor: Executor::of(coordinator)?,
            alive: Mutex::default(),
        })
    }

    async fn is_alive(&self, id: &str) -> Result<bool, StoreError> {
        let cell = {
            let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(alive.entry(id.to_owned()).or_default())
        };
        let asked = || is_alive(self.coordinator, id);
        cell.get_or_try_init(asked).await.copied()
    }

    /// Goes on with what an executor has listed, if it is dead. Of our own list, with those that have no task any more,
    /// since their runtime has ended.
    async fn look_through(
        &self,
        id: &str,
        prefix: String,
        recovered: &mut Recovered,
    ) -> Result<(), StoreError> {
        let ours = self.executor.current().filter(|member| member.id == id);
        let is_ours = ours.is_some();
        if is_ours || self.executor.was(id) || !self.is_alive(id).await? {
            let list = List {
                id,
                prefix,
                is_ours,
                free: ours.map_or_else(HashSet::new, |member| member.free_slots()),
            };
            self.recover_from(&list, recovered).await?;
        }
        Ok(())
    }

    /// Goes on with all that an executor has listed.
    async fn recover_from(
        &self,
        list: &List<'_>,
        recovered: &mut Recovered,
    ) -> Result<(), StoreError> {
        let mut request = ListRequest::new(&*list.prefix);
        loop {
            let page = self.coordinator.store().list_records(&request).await?;
            // Together, so that those of a process that had many do not wait for each other.
            let each = page.entries.iter();
            let mut each: FuturesUnordered<_> = each
                .map(|(slot, entry)| self.look_at(list, slot, entry))
                .collect();
            while let Some(found) = each.next().await {
                recovered.add(found);
            }
            match page.next {
                Some(next) => request = request.after(next),
                None => return Ok(()),
            }
        }
    }

    async fn look_at(&self, list: &List<'_>, slot: &str, listed: &Entry) -> Recovered {
        let mut found = Recovered::default();
        if let Err(problem) = self.recover_one(list, slot, listed, &mut found).await {
            found.failed += 1;
            tracing::warn!(problem, "an orphaned saga was not recovered");
        }
        found
    }

    async fn recover_one(
        &self,
        list: &List<'_>,
        slot: &str,
        listed: &Entry,
        recovered: &mut Recovered,
    ) -> Result<(), String> {
        let head_key = &*String::from_utf8_lossy(&listed.value);
        let (store, executor) = (self.coordinator.store(), &self.executor);
        if list.free.contains(slot) {
            return Ok(());
        }
        if executor.conducts(head_key).is_some() || (list.is_ours && executor.has_left(head_key)) {
            return Ok(());
        }
        let Some(entry) = store
            .get_record(head_key)
            .await
            .map_err(|error| error.to_string())?
        else {
            return self.keep_for_a_while(list, slot, listed).await;
        };
        let head = Head::read(&entry.value)?;
        if head.state == SagaState::Stuck && list.id == NOBODY {
            return Ok(());
        }
        if head.state != SagaState::Running {
            if head.state.is_final() && !list.is_ours {
                // Its executor may have died before it did this.
                let log = log_name(self.coordinator, head.about.run);
                let expired = store.expire_log(&log, head.retention()).await;
                expired.map_err(|error| error.to_string())?;
            }
            return self.unlist(list, slot, listed).await;
        }
        if head.about.owner.is_none() && executor.has_left(head_key) {
            return Ok(());
        }
        if let Some(owner) = &head.about.owner
            && owner != list.id
            && self
                .is_alive(owner)
                .await
                .map_err(|error| error.to_string())?
        {
            // It has taken it over, and lists it itself.
            return self.unlist(list, slot, listed).await;
        }
        if listed.expires_in.is_some() {
            // It was not there, and has come.
            self.list_again(slot, listed, None).await?;
        }
        if resume(self.coordinator, executor, &head)? {
            recovered.resumed += 1;
        } else {
            recovered.unknown.push(head.about.name);
        }
        Ok(())
    }

    /// Takes a saga out of a list, unless another one has its place by now. What is ours has its place for the next saga.
    async fn unlist(&self, list: &List<'_>, slot: &str, listed: &Entry) -> Result<(), String> {
        if list.is_ours {
            return Ok(());
        }
        let delete = DeleteRequest::new(slot).when(Condition::Version(listed.version));
        let deleted = self.coordinator.store().delete_record(&delete).await;
        deleted.map(drop).map_err(|error| error.to_string())
    }

    async fn keep_for_a_while(
        &self,
        list: &List<'_>,
        slot: &str,
        listed: &Entry,
    ) -> Result<(), String> {
        match listed.expires_in {
            _ if list.is_ours => Ok(()),
            None => self.list_again(slot, listed, Some(LISTED_UNSEEN)).await,
            Some(left) if LISTED_UNSEEN.saturating_sub(left) < MAY_STILL_COME => Ok(()),
            Some(_) => self.unlist(list, slot, listed).await,
        }
    }

    /// Lists a saga for so long, unless another one has its place by now.
    async fn list_again(
        &self,
        slot: &str,
        listed: &Entry,
        ttl: Option<Duration>,
    ) -> Result<(), String> {
        let put = PutRequest::new(slot, listed.value.clone())
            .when(Condition::Version(listed.version))
            .ttl(ttl)
            .listed()
            .quiet();
        let put = self.coordinator.store().put_record(&put).await;
        put.map(drop).map_err(|error| error.to_string())
    }
}

/// Goes on with a saga in the background, and says whether this process knows it. What is the user's here, such as the
/// reading of the input, may panic: that keeps nobody from the next saga.
pub(super) fn resume(
    coordinator: &Coordinator,
    executor: &Arc<Executor>,
    head: &Head,
) -> Result<bool, String> {
    let resumed = || resume_known(coordinator, executor, head);
    std::panic::catch_unwind(AssertUnwindSafe(resumed))
        .unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn resume_known(
    coordinator: &Coordinator,
    executor: &Arc<Executor>,
    head: &Head,
) -> Result<bool, String> {
    let found = Registered::find(&head.about.name).map_err(|error| error.to_string())?;
    let Some(definition) = found else {
        return Ok(false);
    };
    definition
        .check(coordinator)
        .map_err(|error| error.to_string())?;
    let input = (definition.read)(&head.input).map_err(|problem| without_values(&problem))?;
    let template = (definition.key)(&input).and_then(Result::ok);
    let template = template.map_or("(saga)", |key| key.template());
    let key = Key::labelled(head.about.key.as_str().into(), template);
    let key = key.map_err(|error| error.to_string())?;
    let conduct = Conduct::new(coordinator, definition, (input, head.input.clone()), key);
    let conduct = conduct.map_err(|error| error.to_string())?;
    executor
        .conduct(conduct)
        .map(|_| true)
        .map_err(|error| error.to_string())
}
