//! Looking at sagas.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::head::{Head, SagaState, now};
use super::log::{self, Kind};
use super::spot::{head_name, log_name};
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::{Key, Renderer};
use crate::store::{Entry, ListRequest, Version, Watch, Watched};

/// How many are asked for at once.
const PAGE: usize = 250;

/// The sagas that are stored, from [`Coordinator::sagas`].
#[derive(Debug, Clone)]
pub struct Sagas {
    pub(super) coordinator: Coordinator,
}

/// Which sagas to list.
#[derive(Debug, Clone)]
#[must_use = "nothing is listed until it is given to `Sagas::list`"]
pub struct SagaFilter {
    state: Option<SagaState>,
    name: Option<String>,
    older_than: Duration,
    after: Option<String>,
    limit: usize,
}

/// Some sagas of a list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SagaPage {
    /// In the order of their names and keys.
    pub sagas: Vec<SagaSummary>,
    /// Where the list goes on: what to give to [`SagaFilter::after`]. `None` if there is no more.
    pub next: Option<String>,
}

/// What there is to say of a saga in a list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SagaSummary {
    /// Its name and its key.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: SagaState,
    /// When it was begun, by the clock of the process that did.
    pub began: SystemTime,
    /// When it has ended.
    pub ended: Option<SystemTime>,
    /// How often it was taken over by another process.
    pub takeovers: u64,
    /// The step that failed and its error, if it is stuck or undone; or the reason why it was abandoned.
    pub failure: Option<(String, String)>,
    /// The correlation id of the call that began it.
    pub correlation_id: String,
}

/// A saga with all that happened to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SagaHistory {
    /// As in a list.
    pub summary: SagaSummary,
    /// The input, as JSON.
    pub input: String,
    /// What happened, in order.
    pub events: Vec<HistoryEvent>,
}

/// Something that happened to a saga.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HistoryEvent {
    /// When, by the clock of the process that wrote it.
    pub at: SystemTime,
    /// What.
    pub kind: HistoryKind,
    /// The step that it is about; empty, if it is about the saga.
    pub step: String,
    /// The item, of a step that runs for each of several.
    pub item: usize,
    /// What the step has put out, as JSON.
    pub output: Option<String>,
    /// What it has failed with; of a step that was skipped by somebody, the reason.
    pub error: Option<String>,
    /// After what time it was to be tried again.
    pub retry_after: Option<Duration>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HistoryKind {
    /// A step was begun.
    Started,
    /// It is done.
    Done,
    /// It was left out.
    Skipped,
    /// An attempt failed, or what it put out cannot be stored.
    Failed,
    /// From here on the saga was undone.
    Unwinding,
    /// A step was undone.
    Undone,
    /// An attempt to undo it failed.
    UndoFailed,
    /// Another process took over.
    Takeover,
    /// Somebody cancelled it.
    Cancelled,
}

impl Coordinator {
    /// The sagas that are stored, to look at and to set right.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use coord::saga::{SagaFilter, SagaState};
    /// # let coord = coord::Coordinator::connect("memory:").await?;
    ///
    /// let stuck = coord.sagas().list(SagaFilter::new().state(SagaState::Stuck)).await?;
    /// for saga in stuck.sagas {
    ///     println!("{} is stuck: {:?}", saga.id, saga.failure);
    ///     coord.sagas().resume(&saga.id).await?;
    /// }
    /// # Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    pub fn sagas(&self) -> Sagas {
        Sagas {
            coordinator: self.clone(),
        }
    }
}

impl Default for SagaFilter {
    fn default() -> Self {
        Self::new()
    }
}

impl SagaFilter {
    /// All sagas, 100 at a time.
    pub fn new() -> Self {
        Self {
            state: None,
            name: None,
            older_than: Duration::ZERO,
            after: None,
            limit: 100,
        }
    }

    /// Those that stand so.
    pub fn state(mut self, state: SagaState) -> Self {
        self.state = Some(state);
        self
    }

    /// Those of this name. The list then costs what they are, and nothing for others.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Those that were begun at least this long ago.
    pub fn older_than(mut self, age: Duration) -> Self {
        self.older_than = age;
        self
    }

    /// Goes on where a page ended: [`SagaPage::next`].
    pub fn after(mut self, next: impl Into<Option<String>>) -> Self {
        self.after = next.into();
        self
    }

    /// How many at the most.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    fn takes(&self, head: &Head) -> bool {
        let age = Duration::from_millis(now().saturating_sub(head.about.began));
        self.state.is_none_or(|state| state == head.state) && age >= self.older_than
    }
}

impl Sagas {
    /// Lists sagas. One round trip for each 250 that are looked at, whether the filter takes them or not.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails.
    pub async fn list(&self, filter: SagaFilter) -> Result<SagaPage, Error> {
        let mut prefix = self.coordinator.prefix("saga");
        if let Some(name) = &filter.name {
            prefix.push_str(&Renderer::encoded(name));
            prefix.push('/');
        }
        let mut found = SagaPage {
            sagas: Vec::new(),
            next: None,
        };
        let mut request = ListRequest::new(prefix)
            .after(filter.after.clone())
            .limit(PAGE);
        loop {
            let page = self.coordinator.store().list_records(&request).await?;
            for (at, entry) in page.entries {
                // One that cannot be read is none of ours.
                let head = Head::read(&entry.value).ok();
                if let Some(head) = head.filter(|head| filter.takes(head)) {
                    found.sagas.push(SagaSummary::of(&head));
                    if found.sagas.len() >= filter.limit {
                        found.next = Some(at);
                        return Ok(found);
                    }
                }
            }
            match page.next {
                Some(next) => request = request.after(next),
                None => return Ok(found),
            }
        }
    }

    /// All that happened to a saga, or `None` if there is none of this id.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails, [`Error::ResultShapeChanged`] if what is stored cannot be read.
    pub async fn history(&self, id: &str) -> Result<Option<SagaHistory>, Error> {
        let Some((head, _, _)) = self.find(id).await? else {
            return Ok(None);
        };
        let mut events = Vec::new();
        read_into(&mut events, &head.first)?;
        for entry in self.log(&head).await? {
            read_into(&mut events, &entry)?;
        }
        read_into(&mut events, &head.last)?;
        Ok(Some(SagaHistory {
            summary: SagaSummary::of(&head),
            input: String::from_utf8_lossy(&head.input).into_owned(),
            events,
        }))
    }

    /// What is woken by whatever happens to a saga: a step, its end, and now and then nothing. `None`, if there is none of
    /// this id. Look at the [`history`](Self::history) after asking for it, and nothing is missed. It is the watch of one run: if
    /// the key is used again, ask anew.
    ///
    /// ```
    /// # async fn f(coord: &coord::Coordinator) -> Result<(), coord::Error> {
    /// use std::time::Duration;
    ///
    /// let sagas = coord.sagas();
    /// if let Some(mut watch) = sagas.watch("order/o-17").await? {
    ///     while let Some(history) = sagas.history("order/o-17").await? {
    ///         println!("{} events", history.events.len());
    ///         if history.summary.state.is_final() {
    ///             break;
    ///         }
    ///         // A wake-up may be lost: look now and then without one.
    ///         let _ = tokio::time::timeout(Duration::from_secs(10), watch.changed()).await;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`history`](Self::history).
    pub async fn watch(&self, id: &str) -> Result<Option<Watch>, Error> {
        let Some((head, head_name, _)) = self.find(id).await? else {
            return Ok(None);
        };
        let log = log_name(&self.coordinator, head.about.run);
        let watched = [Watched::Record(head_name), Watched::Log(log)];
        let watches = watched
            .each_ref()
            .map(|watched| self.coordinator.store().watch(watched));
        Ok(Some(Watch::any_of(try_join_all(watches).await?)))
    }

    pub(super) async fn log(&self, head: &Head) -> Result<Vec<Bytes>, Error> {
        let log = log_name(&self.coordinator, head.about.run);
        let mut entries = Vec::new();
        loop {
            let from = entries.len() as u64;
            let page = self.coordinator.store().read_log(&log, from, PAGE).await?;
            let is_last = page.len() < PAGE;
            entries.extend(page);
            if is_last {
                return Ok(entries);
            }
        }
    }

    pub(super) async fn find(&self, id: &str) -> Result<Option<(Head, String, Version)>, Error> {
        let Some((name, key)) = id.split_once('/') else {
            return Ok(None);
        };
        let name = head_name(&self.coordinator, name, &Key::new(key)?);
        let Some(Entry { value, version, .. }) = self.coordinator.store().get_record(&name).await?
        else {
            return Ok(None);
        };
        let head = Head::read(&value).map_err(unreadable)?;
        Ok(Some((head, name.to_string(), version)))
    }
}

impl SagaSummary {
    fn of(head: &Head) -> Self {
        let about = &head.about;
        Self {
            id: [&about.name, "/", &about.key].concat(),
            name: about.name.clone(),
            state: head.state,
            began: time(about.began),
            ended: about.ended.map(time),
            takeovers: about.epoch.saturating_sub(1),
            failure: about.failure.clone(),
            correlation_id: about.correlation.clone(),
        }
    }
}

impl From<Kind> for HistoryKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Started => Self::Started,
            Kind::Done => Self::Done,
            Kind::Skipped => Self::Skipped,
            Kind::Failed | Kind::Unstored => Self::Failed,
            Kind::Unwinding => Self::Unwinding,
            Kind::Undone => Self::Undone,
            Kind::UndoFailed => Self::UndoFailed,
            Kind::Takeover => Self::Takeover,
            Kind::Cancelled => Self::Cancelled,
        }
    }
}

fn read_into(events: &mut Vec<HistoryEvent>, entry: &[u8]) -> Result<(), Error> {
    let lines = log::read(entry).map_err(unreadable)?;
    events.extend(lines.into_iter().map(|line| HistoryEvent {
        at: time(line.at),
        kind: line.kind.into(),
        step: line.step.into_owned(),
        item: line.item,
        output: line.output.map(|output| output.get().to_owned()),
        error: line.error.map(Into::into),
        retry_after: line.delay.map(Duration::from_millis),
    }));
    Ok(())
}

fn time(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}

pub(super) fn unreadable(problem: String) -> Error {
    Error::ResultShapeChanged {
        template: "(saga)",
        stored: "(not a saga)".into(),
        expected: "a saga",
        problem: problem.into(),
    }
}
