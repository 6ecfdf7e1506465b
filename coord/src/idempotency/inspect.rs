//! Looking at what is stored of calls, and forgetting it.

use std::time::{Duration, SystemTime};

use futures_util::future::try_join_all;

use super::record::{Record, State};
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::key::{IntoKey, Key};
use crate::store::{DeleteRequest, Entry, FencingToken, ScanRequest, Scanned};

/// How many records are asked for at once.
const AT_ONCE: usize = 64;

/// What is stored of idempotent calls, from [`Coordinator::idempotency_records`].
#[derive(Debug, Clone)]
pub struct IdempotencyRecords {
    coordinator: Coordinator,
}

/// Which records to list.
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is listed until it is given to `IdempotencyRecords::list`"]
pub struct RecordFilter {
    state: Option<RecordState>,
    prefix: String,
    after: Option<String>,
}

/// Some records of a list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordPage {
    /// In no order. It can be empty although there are more.
    pub records: Vec<RecordSummary>,
    /// Where the list goes on: what to give to [`RecordFilter::after`]. `None` if there is no more.
    pub next: Option<String>,
}

/// What is stored of the calls of one key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordSummary {
    /// The key.
    pub key: String,
    /// Where the call stands.
    pub state: RecordState,
    /// How often the body was begun, as far as it is known.
    pub attempt: u32,
    /// The fencing token of the run.
    pub token: FencingToken,
    /// When the body was begun, by the clock of the process that did.
    pub began: SystemTime,
    /// When its result was stored.
    pub ended: Option<SystemTime>,
    /// How long the record stays; that of a call which is running is renewed.
    pub expires_in: Option<Duration>,
    /// The correlation id of the call that ran the body.
    pub correlation_id: Option<String>,
    /// The type of the result.
    pub result_type: Option<String>,
    /// How many bytes the result has.
    pub result_bytes: usize,
    /// Whether calls with other arguments are refused.
    pub has_fingerprint: bool,
}

/// A record with the result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordDetails {
    /// As in a list.
    pub summary: RecordSummary,
    /// The result as it is stored, which is JSON; the remembered error; or why there is no result. `None` while the
    /// body is running.
    pub result: Option<String>,
}

/// Where an idempotent call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordState {
    /// Its body is running.
    Running,
    /// It has a result.
    Finished,
    /// It has an error that is remembered.
    Failed,
    /// It has run, and its result could not be stored.
    WithoutResult,
}

impl From<State> for RecordState {
    fn from(state: State) -> Self {
        match state {
            State::Running => Self::Running,
            State::Value => Self::Finished,
            State::Error => Self::Failed,
            State::TooLarge | State::NotSerializable => Self::WithoutResult,
        }
    }
}

impl Coordinator {
    /// What is stored of idempotent calls in this namespace, to look at and to forget.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use coord::idempotency::RecordFilter;
    /// # let coord = coord::Coordinator::connect("memory:").await?;
    ///
    /// coord.idempotency("payment:7").run(async || Ok::<_, coord::Error>(12)).await?;
    /// for record in coord.idempotency_records().list(RecordFilter::new()).await?.records {
    ///     println!("{} is {:?}", record.key, record.state);
    /// }
    /// let stored = coord.idempotency_records().get("payment:7").await?;
    /// assert_eq!(stored.and_then(|stored| stored.result).as_deref(), Some("12"));
    ///
    /// assert!(coord.idempotency_records().forget("payment:7").await?);
    /// # assert!(coord.idempotency_records().get("payment:7").await?.is_none());
    /// # Ok::<(), coord::Error>(()) }).unwrap();
    /// ```
    pub fn idempotency_records(&self) -> IdempotencyRecords {
        IdempotencyRecords {
            coordinator: self.clone(),
        }
    }
}

impl RecordFilter {
    /// All records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those that stand so.
    pub fn state(mut self, state: RecordState) -> Self {
        self.state = Some(state);
        self
    }

    /// Those whose keys begin so.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Goes on where a page ended: [`RecordPage::next`].
    pub fn after(mut self, next: impl Into<Option<String>>) -> Self {
        self.after = next.into();
        self
    }
}

impl IdempotencyRecords {
    /// Lists records: a scan of the store's names ([`Store::scan`](crate::store::Store::scan)), and a question for each
    /// name that is found. Records are in no index, so that calls need not keep one. It changes nothing, and dropping
    /// the future leaves nothing behind.
    ///
    /// What comes or goes meanwhile may be in it or not, and a record can come on two pages.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails, or cannot tell what it has.
    pub async fn list(&self, filter: RecordFilter) -> Result<RecordPage, Error> {
        let begins = self.coordinator.prefix("idempotency");
        let request = ScanRequest::new(Scanned::Records, format!("{begins}{}", filter.prefix));
        let page = self
            .coordinator
            .store()
            .scan(&request.cursor(filter.after))
            .await?;
        let keys = page
            .names
            .iter()
            .filter_map(|name| name.strip_prefix(&begins));
        let keys: Vec<_> = keys.filter(|key| Key::new(*key).is_ok()).collect();
        let mut records = Vec::new();
        for some in keys.chunks(AT_ONCE) {
            let found = try_join_all(some.iter().map(|key| self.read(key))).await?;
            // One that cannot be read is none of ours.
            let found = some.iter().zip(found).filter_map(|(key, entry)| {
                let entry = entry?;
                let record = Record::read(&entry.value).ok()?;
                Some(RecordSummary::of(key, &record, &entry))
            });
            records.extend(
                found.filter(|record| filter.state.is_none_or(|state| state == record.state)),
            );
        }
        Ok(RecordPage {
            records,
            next: page.next,
        })
    }

    /// What is stored of one key, with the result; `None` if there is nothing. One round trip.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`]; [`Error::Store`] if the store fails; [`Error::ResultShapeChanged`] if what is stored
    /// there is no record of a call.
    pub async fn get(&self, key: impl IntoKey) -> Result<Option<RecordDetails>, Error> {
        let key = key.into_key()?;
        let Some(entry) = self.read(key.as_str()).await? else {
            return Ok(None);
        };
        let record = Record::read(&entry.value).map_err(|problem| Error::ResultShapeChanged {
            template: key.template(),
            stored: "(not a record)".into(),
            expected: "a record of an idempotent call",
            problem: problem.into(),
        })?;
        let result = match record.state {
            State::Running => None,
            State::TooLarge => Some(format!(
                "the result of {} bytes was too large to be stored",
                String::from_utf8_lossy(record.result)
            )),
            _ => Some(String::from_utf8_lossy(record.result).into_owned()),
        };
        Ok(Some(RecordDetails {
            summary: RecordSummary::of(key.as_str(), &record, &entry),
            result,
        }))
    }

    /// Forgets what is stored of a key, so that the next call runs the body again, and says whether there was
    /// something. One round trip.
    ///
    /// A body that is running does not stop at once: it can go on beside another run, and its result is refused. A
    /// process with an [`idempotency_cache`](crate::CoordinatorBuilder::idempotency_cache) goes on replaying what it
    /// has in there. Dropping the future leaves the record there or not.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`]; [`Error::Store`] if the store fails.
    pub async fn forget(&self, key: impl IntoKey) -> Result<bool, Error> {
        let name = self.coordinator.name("idempotency", &key.into_key()?);
        let delete = DeleteRequest::new(&*name);
        Ok(self.coordinator.store().delete_record(&delete).await?)
    }

    async fn read(&self, key: &str) -> Result<Option<Entry>, Error> {
        let name = self.coordinator.name("idempotency", &Key::new(key)?);
        Ok(self.coordinator.store().get_record(&name).await?)
    }
}

impl RecordSummary {
    fn of(key: &str, record: &Record<'_>, entry: &Entry) -> Self {
        let head = &record.head;
        Self {
            key: key.to_owned(),
            state: record.state.into(),
            attempt: head.attempt,
            token: head.fencing_token(),
            began: time(head.began),
            ended: head.ended.map(time),
            expires_in: entry.expires_in,
            correlation_id: head.correlation.as_deref().map(str::to_owned),
            result_type: Some(head.result_type.to_string()).filter(|name| !name.is_empty()),
            result_bytes: record.result.len(),
            has_fingerprint: head.fingerprint.is_some(),
        }
    }
}

fn time(milliseconds: u64) -> SystemTime {
    let since = Duration::from_millis(milliseconds);
    SystemTime::UNIX_EPOCH
        .checked_add(since)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
