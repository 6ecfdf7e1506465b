//! Several independent stores that decide together.

mod ask;
mod ballot;
mod decide;
mod examine;
mod listing;
mod member;
mod membership;
mod owed;
mod state;

use std::borrow::Cow;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use rapidhash::fast::RandomState;
use tokio::task::AbortHandle;

use self::ask::Attempt;
use self::ballot::BallotClock;
use self::decide::Aim;
use self::member::{MARK, Member};
pub use self::membership::Repaired;
use self::owed::Owed;
use self::state::{BESIDE, Live};
use super::super::{
    Capabilities, Condition, Consistency, DeleteRequest, Entry, Examination, IntoStore,
    ListRequest, Page, Put, PutRequest, ReplicaLoss, Result, RoundTrips, ScanPage, ScanRequest,
    Scanned, Store, TokensGrow, Watch, Watched, defaults, limits,
};
use super::together;
use crate::store::LARGEST_TTL;

/// How long a call to one of the stores may take, unless something else is said.
const LIMIT: Duration = Duration::from_secs(1);
/// Operations of one process on the same record take turns, rather than being in each other's way. Records share
/// places.
const PLACES: usize = 256;

/// Several independent stores of which a majority decides: while fewer than half are away, have lost all their data or
/// hang, it goes on as if nothing had happened.
///
/// The stores need know nothing of each other, and may be of different kinds. They should fail apart from each
/// other: on several hosts, without replication between them. Each must come back from a crash either with all that it
/// acknowledged or with nothing: see [below](#what-each-store-must-keep).
///
/// # What a majority gives
///
/// - **Records** are linearizable: there is one order of all writes and reads, whichever stores answer. Conditions,
///   versions and conflicts mean what they mean on one store. A write is done when a majority has it, so what was
///   acknowledged is found by every later majority.
/// - **The same operation sent again** is recognised, as on one store, through eight other writes of the record and
///   for five minutes after its deletion.
/// - **Leases, lines and logs** are made of records, so all that is said of them holds: one order of arrival, one
///   line, capacities that are not exceeded (a majority of semaphores would let nearly twice as many in), hand-over,
///   tokens that a majority has written down before anybody is told. An attempt that does not get a majority has not
///   got the lease; what is left of it is dropped or expires.
/// - **Wake-ups** come from whichever store has them. They are hints here too.
///
/// # Which failure does what
///
/// | what fails | what happens |
/// |---|---|
/// | fewer than half of the stores are down | nothing; each operation is as fast as the fastest majority |
/// | a store hangs | each call to it ends after [`call_limit`](Quorum::call_limit); a majority waits for that only to go on with a record that some of its stores have a write of and others have not |
/// | a store is slower than the others | nothing; what it misses is brought to it in the background, within a second or two |
/// | half or more are down | operations fail with `NotApplied`, or `Unknown` if a write was under way; nothing is granted; it goes on by itself |
/// | a store comes back with the data that it had | it counts at once, and is brought up to date in the background |
/// | a store comes back with older data than it had | it counts for what it no longer knows, so what was decided can be decided again: two can hold one lease, with the same token. No store of a quorum may do that |
/// | a store comes back empty | it counts only for what was copied to it since; copying begins in the background within a second, and ends with the store counting for all |
/// | a majority comes back empty | operations fail with `Denied`; empty the others to begin anew, with greater tokens |
/// | all come back empty | it begins anew, as a single store does; tokens start at the time, so they are greater than before |
/// | a process dies in the middle of a write | the next who meets the record finishes the write, or drops it |
///
/// A majority must answer for anything, reads included. When a quorum is used for the first time, all must.
///
/// Only one thing depends on the clocks of processes: they must agree to within five minutes, which is how long a
/// deleted record is remembered.
///
/// And only one on what a store has missed: if it has missed a deletion, and is not brought it within these five
/// minutes, the record comes back when somebody meets it while so many others are down that this store is needed for a
/// majority. A store misses what is written while it is away, and single writes while it is slower than the others. Whoever
/// wrote brings them to it a second later, or within about ten seconds after it is back; so does whoever reads such a
/// record and hears of it; and each process once, a second after it has begun, with all that it finds. So what is left is
/// what a process wrote that ended before it had brought it, until another one begins. [`repair`](Quorum::repair) brings
/// everything at once: call it when a store is back, before another one is stopped.
///
/// # What each store must keep
///
/// A store that was emptied shows it, and its word does not count. One that has lost only the last of what it
/// acknowledged cannot be told from one that was away for a while; if the others that knew are away then, what they
/// know is decided anew. So each store must do one of two things, whatever ends it:
///
/// - **keep all that it acknowledged**: etcd, ZooKeeper, PostgreSQL as it is by default (`fsync = on`), SQLite with
///   [`Synchronous::Full`](crate::store::Synchronous::Full), Redis with `appendonly yes` and `appendfsync always`;
/// - **come back with nothing**: the store in memory, Redis with `appendonly no` and `save ""`, and no file of an
///   earlier snapshot beside it.
///
/// Not Redis with `appendfsync everysec`, which is the default, or with snapshots alone; not SQLite with
/// [`Synchronous::Normal`](crate::store::Synchronous::Normal); not a server from which a replica takes over that may lag; and
/// not one that is put back from a backup, or from a snapshot of its machine: empty such a one before it is started.
///
/// When a quorum begins to work, it looks at the settings of its stores, and warns through `tracing` of each that can
/// come back like that, or that does not tell. [`Store::examine`] says the same.
///
/// # What it costs
///
/// An operation asks all stores at the same time. Reading takes one such round; writing takes two or three; what is
/// made of records takes several of these ([`Capabilities::round_trips`]). Values can be a little smaller than
/// elsewhere ([`Capabilities::largest_value`]). A saga of a hundred steps an hour will not notice; a lock taken a
/// thousand times a second is better kept in a store that is linearizable by itself.
///
/// Each process also lists all that is stored, once, a second after it has begun, and when a store is back.
///
/// Dropping the future of an operation leaves it done or not done, as with every store.
///
/// # Examples
///
/// ```
/// use coord::Coordinator;
/// use coord::store::{MemoryStore, Quorum};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let quorum = Quorum::of([MemoryStore::new(), MemoryStore::new(), MemoryStore::new()]);
/// let coord = Coordinator::builder().store(quorum).build();
/// let lease = coord.lock("order:42").acquire().await?;
/// lease.release().await?;
/// # Ok::<(), coord::Error>(()) }).unwrap();
/// ```
///
/// Of different kinds:
///
/// ```no_run
/// use coord::store::{self, Quorum};
///
/// # async fn example() -> Result<(), coord::Error> {
/// let quorum = Quorum::of([
///     store::connect("redis://one:6379").await?,
///     store::connect("redis://two:6379").await?,
///     store::connect("sqlite:/mnt/three/coord.db").await?,
/// ]);
/// # let _ = quorum; Ok(()) }
/// ```
pub struct Quorum {
    inner: Arc<Inner>,
}

struct Inner {
    members: Vec<Member>,
    clock: BallotClock,
    owed: Owed,
    is_founded: AtomicBool,
    is_repairing: AtomicBool,
    /// Two repairs at once are in each other's way.
    repairs: tokio::sync::Mutex<()>,
    repairer: Background,
    examiner: Background,
    places: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
    limit: Duration,
    this: Weak<Inner>,
}

/// A task in the background, which ends when the quorum is dropped.
#[derive(Default)]
struct Background(Mutex<Option<AbortHandle>>);

impl Background {
    fn keep(&self, task: AbortHandle) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    fn end(&self) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

impl Quorum {
    /// A quorum of these stores. An odd number is best: of four, two may not fail either.
    /// Stores of several kinds are told as `Arc<dyn Store>`.
    pub fn of<S: IntoStore>(stores: impl IntoIterator<Item = S>) -> Self {
        let members: Vec<_> = stores
            .into_iter()
            .map(|store| Member::new(store.into_store(), LIMIT))
            .collect();
        Self::made_of(members, LIMIT)
    }

    /// How long a call to one of the stores may take: 1 s, if nothing is said. An operation, which is several calls
    /// after each other, is not begun again when five times as long have passed.
    pub fn call_limit(self, limit: Duration) -> Self {
        let limit = limit.min(LARGEST_TTL);
        let stores = self.inner.members.iter().map(Member::shared);
        let members = stores.map(|store| Member::new(store, limit)).collect();
        Self::made_of(members, limit)
    }

    fn made_of(members: Vec<Member>, limit: Duration) -> Self {
        let inner = Arc::new_cyclic(|this| Inner {
            members,
            clock: BallotClock::new(),
            owed: Owed::default(),
            is_founded: AtomicBool::new(false),
            is_repairing: AtomicBool::new(false),
            repairs: tokio::sync::Mutex::default(),
            repairer: Background::default(),
            examiner: Background::default(),
            places: (0..PLACES).map(|_| tokio::sync::Mutex::default()).collect(),
            hasher: RandomState::new(),
            limit,
            this: Weak::clone(this),
        });
        Self { inner }
    }

    /// Brings every store up to date, and takes in those that had come back empty. It happens by itself, a second
    /// after a process begins, and after a store was away or was found to have come back empty; call it to know when it
    /// is done.
    ///
    /// It lists all that is stored, and writes what some lack. It waits for stores that are slow, each call up to
    /// [`call_limit`](Quorum::call_limit). If the future is dropped, or the process dies, what was copied stays, and the
    /// next repair goes on.
    ///
    /// # Errors
    ///
    /// If a majority of the stores does not answer, or has lost its data.
    pub async fn repair(&self) -> Result<Repaired> {
        self.inner.repair().await
    }
}

impl Inner {
    /// A turn at a record. Whoever does not get one within a call's limit goes on without: it is for politeness alone.
    async fn turn(&self, key: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let place = self.hasher.hash_one(key) % PLACES as u64;
        let place = self.places[usize::try_from(place).unwrap_or(0)].lock();
        tokio::time::timeout(self.limit, place).await.ok()
    }

    fn largest_value(&self) -> usize {
        let largest = self
            .members
            .iter()
            .map(|member| member.store().capabilities().largest_value);
        largest.min().unwrap_or(0).saturating_sub(BESIDE)
    }

    fn smallest_ttl(&self) -> Duration {
        let smallest = self
            .members
            .iter()
            .map(|member| member.store().capabilities().smallest_ttl);
        smallest.max().unwrap_or_default()
    }
}

/// What operations cost whose requests to the stores cost `each`. A write is asked for, promised and accepted; of a new
/// record nothing is asked, but whether its absence counts.
fn round_trips(each: u8) -> RoundTrips {
    let times = |trips: u8| each.saturating_mul(trips);
    let (read, write, new) = (1, 3, 3);
    RoundTrips {
        // A presence; a line that is not there, which is a record and a mark; the line.
        acquire: times(new + 2 * read + new),
        // The presence and its stone; the line and its only member; the line.
        release: times(read + write + 2 * read + write),
        put: times(new),
        append: times(read + new),
    }
}

/// What a record is called in the stores: by its key, unless that is the mark of a quorum of quorums.
fn name(key: &str) -> Cow<'_, str> {
    match key.strip_prefix(MARK) {
        Some(rest) if rest.chars().all(|more| more == '+') => Cow::Owned(format!("{key}+")),
        _ => Cow::Borrowed(key),
    }
}

impl Drop for Quorum {
    fn drop(&mut self) {
        self.inner.repairer.end();
        self.inner.examiner.end();
    }
}

impl fmt::Debug for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quorum")
            .field("stores", &self.inner.members.len())
            .field("founded", &self.inner.is_founded.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Quorum {
    async fn get_record(&self, key: &str) -> Result<Option<Entry>> {
        limits::check_key("get", key)?;
        Ok(self.inner.read(&name(key)).await?.entry())
    }

    async fn put_record(&self, request: &PutRequest) -> Result<Put> {
        request.check()?;
        limits::check_size("put", &request.value, self.inner.largest_value())?;
        let aim = match request.condition {
            Condition::Absent => Aim::Create,
            _ => Aim::Write,
        };
        let ttl = request.ttl.map(|ttl| ttl.max(self.inner.smallest_ttl()));
        let version = request.operation.into();
        let key = name(&request.key);
        let _turn = self.inner.turn(&key).await;
        let attempt = Attempt::at("put", &key, self.inner.limit).quiet(request.quiet);
        self.inner
            .change(attempt, aim, |there| {
                if there.has_seen(request.operation) {
                    return (None, Put::Stored(version));
                }
                let entry = there.entry();
                if !request.condition.holds(entry.as_ref()) {
                    return (None, Put::Conflict(entry));
                }
                let live = Live {
                    value: request.value.clone(),
                    version,
                    listed: request.listed,
                    expires_in: ttl,
                };
                let next = there.after(request.operation, Some(live));
                (Some(next), Put::Stored(version))
            })
            .await
    }

    async fn delete_record(&self, request: &DeleteRequest) -> Result<bool> {
        request.check()?;
        let key = name(&request.key);
        let _turn = self.inner.turn(&key).await;
        let attempt = Attempt::at("delete", &key, self.inner.limit);
        self.inner
            .change(attempt, Aim::Write, |there| {
                if there.has_seen(request.operation) {
                    return (None, true);
                }
                match there.entry() {
                    Some(entry) if request.condition.holds(Some(&entry)) => {
                        (Some(there.after(request.operation, None)), true)
                    }
                    _ => (None, false),
                }
            })
            .await
    }

    async fn list_records(&self, request: &ListRequest) -> Result<Page> {
        self.inner.list(request, |live| live.listed).await
    }

    /// The members list all that they have, and leases are records.
    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage> {
        let list = ListRequest::new(&*request.prefix)
            .after(request.cursor.clone())
            .limit(request.limit.max(1));
        let page = self.inner.list(&list, |_| true).await?;
        let names = page.entries.into_iter().map(|(name, _)| name);
        let names = match request.what {
            Scanned::Records => names.collect(),
            Scanned::Leases => names
                .filter_map(|name| Some(defaults::leases::resource_of(&name)?.to_owned()))
                .collect(),
        };
        Ok(ScanPage {
            names,
            next: page.next,
        })
    }

    async fn watch(&self, watched: &Watched) -> Result<Watch> {
        let record = match watched {
            Watched::Record(_) => watched.clone(),
            Watched::Lease(resource) => Watched::Record(defaults::leases::line_key(resource)),
            // A log is a record for each entry, and nobody knows which comes next.
            Watched::Log(_) => return Ok(Watch::polling()),
        };
        let mut watches = self
            .inner
            .all_who_answer(|member| member.watch(&record).boxed())
            .await;
        if watches.len() < self.inner.majority() {
            watches.push(Watch::polling());
        }
        Ok(Watch::any_of(watches))
    }

    /// What all of them say that answer.
    async fn examine(&self) -> Result<Examination> {
        Ok(self.inner.examination().await)
    }

    fn name(&self) -> &'static str {
        "quorum"
    }

    fn capabilities(&self) -> Capabilities {
        let stores = self
            .inner
            .members
            .iter()
            .map(|member| member.store().capabilities());
        let stores = together(stores);
        let stores = match stores.round_trips {
            Some(trips) => stores.with_round_trips(round_trips(trips.put)),
            None => stores,
        };
        stores
            .with_consistency(Consistency::Quorum)
            .with_replica_loss(ReplicaLoss::Nothing)
            .with_tokens(TokensGrow::AcrossDataLoss)
            .with_largest_value(self.inner.largest_value())
            .with_scans(true)
    }
}
