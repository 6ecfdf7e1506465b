//! The store in a file, for many processes on one host, with SQLite.
//!
//! - [`file`] opens the file, [`schema`] makes the tables, and [`clock`] is the time by which rows expire.
//! - [`writer`] is the thread that writes, and puts many operations into one commit; [`reader`] the one that
//!   reads. [`queue`] is how tasks hand them their work, and a [`job`] what there is to write.
//! - [`records`], [`leases`] and [`logs`] are what is done in a transaction; [`sweep`] takes out what has expired.
//! - [`checkpoint`] keeps the log short that is written ahead of the database.
//! - [`wakes`] knows who waits in this process, and notices what other processes do.
//! - [`failure`] says of each error of SQLite whether the operation may have been done.

mod checkpoint;
mod clock;
mod failure;
mod file;
mod job;
mod leases;
mod logs;
mod queue;
mod reader;
mod records;
mod scan;
mod schema;
mod sweep;
mod wakes;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use self::file::File;
use self::reader::Reader;
use self::writer::Writer;
use super::{
    Acquired, Append, AppendRequest, Capabilities, ClockSource, Consistency, Contender,
    DeleteRequest, Durability, Entry, Examination, LeaseId, LeaseRequest, ListRequest, Page, Put,
    PutRequest, Renewal, Renewed, ReplicaLoss, Result, RoundTrips, ScanPage, ScanRequest, Store,
    TokensGrow, Watch, Watched, limits,
};
use crate::error::{Error, StoreError, StoreErrorKind};

/// How long others may keep the database locked, unless the builder says otherwise.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A store in a file, which any number of processes on one host share. SQLite is compiled in.
///
/// Needs the feature `sqlite`. Beside the file, SQLite keeps two more while it is open, whose names end in `-wal` and
/// `-shm`; they belong to it, and if one of them is taken away, all operations fail. The file must be on a disk of the
/// host, not on a network file system.
///
/// Two threads work on the file: one writes, and puts whatever many tasks ask for at once into one commit; the other
/// reads. They end soon after the last clone of the store is dropped. Dropping the future of an operation leaves the
/// operation done or not done.
///
/// # What it guarantees
///
/// Every operation is atomic and in order, across all processes. What was acknowledged survives the death of any
/// process at any moment, and with [`Synchronous::Full`] that of the machine. A waiter in the same process is
/// woken exactly, one in another process within some ten milliseconds.
///
/// One process writes at a time, for as long as its commit takes. A process that stands still in the middle of one
/// (stopped by a signal or a debugger) holds up all others: they wait for as long as
/// [`busy_timeout`](SqliteStoreBuilder::busy_timeout) says, and then fail.
///
/// Time is the host's, on Linux counted from its boot, so that setting the clock moves no expiry. (Elsewhere it
/// does.) For that all processes have to find the same in `/proc/sys/kernel/random/boot_id`: if only some of them are
/// in a sandbox that hides it, or has one of its own, their times differ once the clock was set. Pausing tokio's
/// clock does not pause it. Tokens depend on no clock as long as the file is there; when it is made anew, or put back
/// from a copy, they start at the time.
///
/// # Examples
///
/// ```
/// use coord::{Coordinator, store::SqliteStore};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("coord.db");
/// let store = SqliteStore::open(path).await?;
/// let coord = Coordinator::builder().store(store).build();
/// coord.lock("order:42").acquire().await?.release().await?;
/// # Ok::<(), coord::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    writer: Writer,
    reader: Reader,
    synchronous: Synchronous,
}

/// When what was written is on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synchronous {
    /// Before it is acknowledged. It survives a power failure, as far as the disk keeps its word. Only a release does
    /// not wait for the disk: if it is undone, all processes that use the file have ended, and the lease ends with its ttl.
    #[default]
    Full,
    /// Some time later. It survives the death of the process, but a power failure can undo the last of what was
    /// acknowledged; nothing else is harmed. Several times as fast.
    Normal,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    synchronous: Synchronous,
    busy_timeout: Duration,
    largest_size: Option<u64>,
}

impl SqliteStore {
    /// Opens the database at `path`, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the file cannot be used: its folder does not exist, it is the database of another program
    /// or none at all, it cannot be written, or it is on a network file system. Nothing is written into a file that
    /// is not ours.
    pub async fn open(path: impl AsRef<Path>) -> std::result::Result<Self, Error> {
        Self::builder().open(path).await
    }

    /// Starts building a store with other settings than the defaults.
    pub fn builder() -> SqliteStoreBuilder {
        SqliteStoreBuilder {
            settings: Settings {
                synchronous: Synchronous::default(),
                busy_timeout: BUSY_TIMEOUT,
                largest_size: None,
            },
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("synchronous", &self.inner.synchronous)
            .finish_non_exhaustive()
    }
}

/// Builds a [`SqliteStore`].
#[derive(Debug, Clone)]
#[must_use = "call `open`"]
pub struct SqliteStoreBuilder {
    settings: Settings,
}

impl SqliteStoreBuilder {
    /// When what was written is on the disk. The default is [`Synchronous::Full`]. Each process decides for what it
    /// writes itself.
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.settings.synchronous = synchronous;
        self
    }

    /// How long to wait while another process keeps the database locked. The default is 5 seconds. Past it the
    /// operation fails, and is surely not done.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.settings.busy_timeout = timeout;
        self
    }

    /// The most bytes that the file may have, to whole pages of 4,096; what is larger already stays. Past it
    /// operations that need more room fail, and are surely not done. There is no limit by default.
    pub fn largest_size(mut self, bytes: u64) -> Self {
        self.settings.largest_size = Some(bytes);
        self
    }

    /// Opens the database. See [`SqliteStore::open`].
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::open`].
    pub async fn open(self, path: impl AsRef<Path>) -> std::result::Result<SqliteStore, Error> {
        let path = path.as_ref().to_owned();
        let (reply, opened) = oneshot::channel();
        let opening = std::thread::Builder::new()
            .name("coord-sqlite-open".to_owned())
            .spawn(move || {
                // If nobody waits for it any more, it is closed again.
                let _ = reply.send(open(&path, self.settings));
            });
        opening.map_err(|error| no_thread(&error))?;
        let opened = opened.await;
        let inner = opened.unwrap_or_else(|_| Err(failure::of_ended_thread("open")))?;
        Ok(SqliteStore {
            inner: Arc::new(inner),
        })
    }
}

fn open(path: &Path, settings: Settings) -> Result<Inner> {
    let (file, connection, clock) = File::open(path, settings)?;
    let reading = file.connect()?;
    let (reader, thread) =
        Reader::start(file.clone(), reading, clock).map_err(|error| no_thread(&error))?;
    let writer = Writer::start(file, connection, clock, thread);
    Ok(Inner {
        reader,
        writer: writer.map_err(|error| no_thread(&error))?,
        synchronous: settings.synchronous,
    })
}

fn no_thread(_: &std::io::Error) -> StoreError {
    let problem = "the system gives no more threads; let this process have some";
    StoreError::new(StoreErrorKind::NotApplied, "open", problem)
}

#[async_trait]
impl Store for SqliteStore {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        limits::check_key("get", key)?;
        let key = key.to_owned();
        let reader = &self.inner.reader;
        reader
            .call("get", move |view| records::get(view, &key))
            .await
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        request.check()?;
        let request = request.clone();
        let writer = &self.inner.writer;
        writer
            .call("put", move |scope| records::put(scope, &request))
            .await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        request.check()?;
        let request = request.clone();
        let writer = &self.inner.writer;
        writer
            .call("delete", move |scope| records::delete(scope, &request))
            .await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        let request = request.clone();
        let reader = &self.inner.reader;
        reader
            .call("list", move |view| records::list(view, &request))
            .await
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Acquired> {
        request.check()?;
        let request = request.clone();
        let writer = &self.inner.writer;
        writer
            .call("acquire", move |scope| leases::acquire(scope, &request))
            .await
    }

    async fn renew_leases(&self, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
        let checked: Vec<_> = renewals.iter().map(Renewal::check).collect();
        let sound: Vec<_> = renewals
            .iter()
            .zip(&checked)
            .filter(|(_, checked)| checked.is_ok())
            .map(|(renewal, _)| renewal.clone())
            .collect();
        let writer = &self.inner.writer;
        let renewed = writer
            .call("renew", move |scope| leases::renew(scope, &sound))
            .await;
        let mut answers = renewed.map(Vec::into_iter);
        let mut answer = || match &mut answers {
            Ok(answers) => answers
                .next()
                .ok_or_else(|| failure::of_ended_thread("renew")),
            Err(error) => Err(error.clone()),
        };
        checked
            .into_iter()
            .map(|checked| checked.and_then(|()| answer()))
            .collect()
    }

    async fn release_lease(&self, lease: &LeaseId) -> Result<bool> {
        let lease = lease.clone();
        let writer = &self.inner.writer;
        writer
            .call_lightly("release", move |scope| leases::release(scope, &lease))
            .await
    }

    async fn inspect_lease(&self, resource: &str) -> Result<Vec<Contender>> {
        limits::check_name("inspect", resource)?;
        let resource = resource.into();
        let reader = &self.inner.reader;
        reader
            .call("inspect", move |view| leases::inspect(view, &resource))
            .await
    }

    async fn append_log(&self, request: &AppendRequest) -> Result<Append> {
        request.check()?;
        let request = request.clone();
        let writer = &self.inner.writer;
        writer
            .call("append", move |scope| logs::append(scope, &request))
            .await
    }

    async fn read_log(&self, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
        limits::check_name("read", log)?;
        let log = log.to_owned();
        let reader = &self.inner.reader;
        reader
            .call("read", move |view| logs::read(view, &log, from, limit))
            .await
    }

    async fn expire_log(&self, log: &str, ttl: Duration) -> Result<()> {
        limits::check_name("expire", log)?;
        limits::check_ttl("expire", ttl)?;
        let log = log.to_owned();
        let writer = &self.inner.writer;
        writer
            .call("expire", move |scope| logs::expire(scope, &log, ttl))
            .await
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        let watched = watched.clone();
        let writer = &self.inner.writer;
        writer
            .call("watch", move |scope| scope.watch(watched.clone()))
            .await
    }

    async fn put_watched(&self, request: &PutRequest) -> Result<(Put, Watch)> {
        request.check()?;
        let request = request.clone();
        let put = move |scope: &mut writer::Scope<'_>| {
            let put = records::put(scope, &request)?;
            Ok((put, scope.watch(Watched::Record(request.key.clone()))?))
        };
        self.inner.writer.call("put", put).await
    }

    async fn put_after(&self, first: &PutRequest, request: &PutRequest) -> Result<Put> {
        first.check()?;
        request.check()?;
        let (first, request) = (first.clone(), request.clone());
        let put = move |scope: &mut writer::Scope<'_>| match records::put(scope, &first)? {
            Put::Stored(_) => records::put(scope, &request),
            conflict @ Put::Conflict(_) => Ok(conflict),
        };
        self.inner.writer.call("put", put).await
    }

    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        let request = request.clone();
        let reader = &self.inner.reader;
        reader
            .call("scan", move |view| scan::scan(view, &request))
            .await
    }

    async fn examine(&self) -> Result<Examination> {
        let found = Examination::unknown().server(format!("SQLite {}", rusqlite::version()));
        Ok(match self.inner.synchronous {
            Synchronous::Full => found.loses_latest(false),
            Synchronous::Normal => found.loses_latest(true).warn(
                "`Synchronous::Normal`: a power failure can undo the last of what was acknowledged; use \
                 `Synchronous::Full` unless that is meant",
            ),
        })
    }

    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::unknown()
            .with_scans(true)
            .with_consistency(Consistency::SingleNode)
            .with_native_wake_ups(true)
            .with_clock(ClockSource::Host)
            .with_durability(match self.inner.synchronous {
                Synchronous::Full => Durability::Synced,
                Synchronous::Normal => Durability::AsConfigured,
            })
            .with_replica_loss(ReplicaLoss::NoReplicas)
            .with_tokens(TokensGrow::AcrossDataLoss)
            .with_round_trips(RoundTrips::each(0))
    }
}
