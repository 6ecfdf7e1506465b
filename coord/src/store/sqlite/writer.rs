//! The thread that writes: all that tasks ask for while one transaction is being committed goes into the next, so
//! that a commit, which waits for the disk, is paid for once by all of them.
//!
//! 1. Jobs are done in the order in which they were handed over, each behind a savepoint of its own. One that fails
//!    is undone alone; if SQLite undoes the others with it, they are done again without it. If there is no room, what can
//!    be is made first, and all are done again, in the end one by one.
//! 2. Nobody is answered before the transaction is committed, and nobody is woken.
//! 3. There is one such thread for each open store, and nothing else of the store writes. So what has become of
//!    contenders that have left is known here, and whom to wake.
//! 4. A transaction that only releases does not wait for the disk. Nothing but a power failure can undo it, which ends
//!    all processes that use the file; the lease then stays for its ttl. The next transaction that waits makes it last.
//! 5. What other processes have committed is looked at while somebody waits here, and only then.

use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ErrorCode};

use super::Synchronous;
use super::checkpoint::{self, LogLength};
use super::clock::{HostClock, Time};
use super::failure;
use super::file::{self, File};
use super::job::{self, Job};
use super::queue::{Queue, Work, queue};
use super::sweep;
use super::wakes::{News, Wakes};
use crate::error::StoreError;
use crate::store::released::Released;
use crate::store::{LeaseId, Result, Watch, Watched};

/// How many contenders that have left are remembered.
const REMEMBERED: usize = 16_384;
/// How many rows of a kind are swept out when there is no room.
const SWEPT_FOR_ROOM: usize = 256;
/// How often the time is noted in the database, at the most.
const NOTED_EVERY: Time = 1_000_000;

/// What a job works with.
pub(super) struct Scope<'a> {
    pub(super) connection: &'a Connection,
    pub(super) now: Time,
    pub(super) news: &'a mut News,
    pub(super) wakes: &'a mut Wakes,
    released: &'a mut Released,
    /// Those released in this transaction.
    releasing: &'a mut Vec<LeaseId>,
}

impl Scope<'_> {
    /// What the release of this contender answered, if it was released.
    pub(super) fn release_of(&self, lease: &LeaseId) -> Option<bool> {
        self.released.answer(lease)
    }

    /// Remembers a release, unless the transaction fails.
    pub(super) fn remember_release(&mut self, lease: &LeaseId, answer: bool) {
        self.released
            .remember(lease, answer, tokio::time::Instant::now());
        self.releasing.push(lease.clone());
    }

    /// Forgets the releases of this transaction but the first so many.
    fn forget_releases(&mut self, but: usize) {
        for lease in self.releasing.drain(but..) {
            self.released.forget(&lease);
        }
    }

    /// A watch of something as it is now in this transaction.
    pub(super) fn watch(&mut self, watched: Watched) -> rusqlite::Result<Watch> {
        self.wakes.watch(self.connection, watched, self.now)
    }
}

/// The end at which tasks ask.
pub(super) struct Writer(Queue<Box<dyn Job>>);

impl Writer {
    /// Starts the thread. It ends when this is dropped, and closes its connection when `reader` has: whoever closes
    /// last tidies up beside the file, and of two that close at once neither does.
    pub(super) fn start(
        file: File,
        connection: Connection,
        clock: HostClock,
        reader: JoinHandle<()>,
    ) -> std::io::Result<Self> {
        let (jobs, work) = queue();
        let synchronous = file.synchronous();
        let thread = WriterThread {
            file,
            connection,
            clock,
            wakes: Wakes::default(),
            released: Released::remembering(REMEMBERED),
            noted: 0,
            synchronous,
            log_length: LogLength::default(),
            is_log_new: false,
        };
        thread::Builder::new()
            .name("coord-sqlite-write".to_owned())
            .spawn(move || thread.run(&work, reader))?;
        Ok(Self(jobs))
    }

    /// Does something in a transaction, and answers when that is committed. What was undone with another's is done
    /// again. If the future is dropped, it may be done all the same.
    pub(super) async fn call<T, F>(&self, operation: &'static str, act: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Scope<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.ask(operation, true, act).await
    }

    /// The same for what a power failure may undo.
    pub(super) async fn call_lightly<T, F>(&self, operation: &'static str, act: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Scope<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.ask(operation, false, act).await
    }

    async fn ask<T, F>(&self, operation: &'static str, lasts: bool, act: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Scope<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (job, answer) = job::of(operation, lasts, act);
        self.0.push(job);
        answer
            .await
            .unwrap_or_else(|_| Err(failure::of_ended_thread(operation)))
    }
}

struct WriterThread {
    file: File,
    connection: Connection,
    clock: HostClock,
    wakes: Wakes,
    released: Released,
    /// The time that was noted last.
    noted: Time,
    /// Whether commits wait for the disk now.
    synchronous: Synchronous,
    log_length: LogLength,
    /// Whether nothing was committed since the log was to be begun anew.
    is_log_new: bool,
}

/// Jobs that are done, or not.
type Transacted = std::result::Result<Jobs, Undone>;
type Jobs = Vec<Box<dyn Job>>;

enum Undone {
    /// The one at this place failed, and had all undone.
    Company(Jobs, usize, rusqlite::Error),
    Failed(Jobs, Failure),
}

enum Failure {
    /// It was not begun.
    Begin(rusqlite::Error),
    /// Tidying up had it undone.
    Tidying(rusqlite::Error),
    Commit(rusqlite::Error),
    MovedFile,
}

impl Failure {
    fn of(&self, operation: &'static str) -> StoreError {
        match self {
            Self::Begin(error) => failure::of_operation(operation, error),
            Self::Tidying(error) => failure::of_tidying(operation, error),
            Self::Commit(error) => failure::of_commit(operation, error),
            Self::MovedFile => failure::of_moved_file(operation),
        }
    }
}

impl WriterThread {
    fn run(mut self, work: &Work<Box<dyn Job>>, reader: JoinHandle<()>) {
        while let Some(mut jobs) = work.take(self.wakes.patience()) {
            jobs.retain(|job| job.is_wanted());
            if !jobs.is_empty() {
                self.is_log_new = false;
                self.write(jobs, true);
                self.log_length.limit(&self.file, &self.connection);
            }
            self.wakes
                .look_at_others(&self.connection, self.clock.now());
        }
        // If it has panicked, it has closed its connection as well.
        let _ = reader.join();
    }

    /// Does the jobs in one transaction, wakes, and answers. If there is no room, `sweeps` once.
    fn write(&mut self, mut jobs: Jobs, mut sweeps: bool) {
        // Each time round there is one less, or there was no room and some was made.
        while !jobs.is_empty() {
            let Err(undone) = self.try_write(jobs) else {
                return;
            };
            jobs = match undone {
                Undone::Company(jobs, _, error) if sweeps && is_full(&error) => {
                    sweeps = false;
                    self.sweep_for_room();
                    jobs
                }
                Undone::Company(mut jobs, at, error) => {
                    let failed = jobs.remove(at);
                    let error = failure::of_operation(failed.operation(), &error);
                    failed.answer(Err(error));
                    jobs
                }
                Undone::Failed(jobs, Failure::Commit(error))
                    if !self.is_log_new && is_full(&error) =>
                {
                    self.is_log_new = true;
                    checkpoint::run(&self.connection);
                    jobs
                }
                // Some may need less room than all.
                Undone::Failed(jobs, Failure::Commit(error))
                    if jobs.len() > 1 && is_full(&error) =>
                {
                    for job in jobs {
                        self.write(vec![job], false);
                    }
                    return;
                }
                Undone::Failed(jobs, failure) => return answer_all(jobs, &failure),
            };
        }
    }

    /// Leaves nothing of the jobs behind if they cannot all be done.
    fn try_write(&mut self, jobs: Jobs) -> std::result::Result<(), Undone> {
        let mut news = News::default();
        let mut releasing = Vec::new();
        let done = match self.transact(jobs, &mut news, &mut releasing) {
            Ok(done) => done,
            Err(undone) => {
                for lease in &releasing {
                    self.released.forget(lease);
                }
                self.roll_back();
                return Err(undone);
            }
        };
        self.is_log_new = false;
        self.wakes.tell(news);
        for job in done {
            job.answer(Ok(()));
        }
        Ok(())
    }

    /// What has expired may be all that there is no room for.
    fn sweep_for_room(&mut self) {
        let (sweep, _answer) = job::of("sweep", false, |scope| sweep::some(scope, SWEPT_FOR_ROOM));
        self.write(vec![sweep], false);
    }

    fn transact(
        &mut self,
        jobs: Jobs,
        news: &mut News,
        releasing: &mut Vec<LeaseId>,
    ) -> Transacted {
        if !self.file.is_in_place() {
            return Err(Undone::Failed(jobs, Failure::MovedFile));
        }
        let begun = self
            .synchronize(jobs.iter().any(|job| job.lasts()))
            .and_then(|()| file::begin(&self.connection, self.file.busy_timeout()));
        if let Err(error) = begun {
            return Err(Undone::Failed(jobs, Failure::Begin(error)));
        }
        let changes = self.connection.total_changes();
        let mut scope = Scope {
            connection: &self.connection,
            now: self.clock.now(),
            news,
            wakes: &mut self.wakes,
            released: &mut self.released,
            releasing,
        };
        let done = do_all(jobs, &mut scope)?;
        if self.connection.total_changes() > changes {
            // What was not tidied up now is later.
            let tidied = behind_savepoint(&mut scope, |scope| tidy(scope, done.len(), self.noted));
            match tidied {
                Ok(noted) => self.noted = noted,
                Err(error) if self.connection.is_autocommit() => {
                    return Err(Undone::Failed(done, Failure::Tidying(error)));
                }
                Err(_) => {}
            }
        }
        match file::commit(&self.connection) {
            Ok(()) => Ok(done),
            Err(error) => Err(Undone::Failed(done, Failure::Commit(error))),
        }
    }

    /// Has the next transaction wait for the disk, as the file's settings say, if it is to last.
    fn synchronize(&mut self, lasts: bool) -> rusqlite::Result<()> {
        let synchronous = if lasts {
            self.file.synchronous()
        } else {
            Synchronous::Normal
        };
        if synchronous != self.synchronous {
            file::synchronize(&self.connection, synchronous)?;
            self.synchronous = synchronous;
        }
        Ok(())
    }

    /// Ends a transaction that failed, unless SQLite has.
    fn roll_back(&mut self) {
        if self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok() {
            return;
        }
        // A new connection has no transaction. If there is none to be had, the next job fails as this one did.
        if let Ok(connection) = self.file.connect() {
            self.connection = connection;
            self.synchronous = self.file.synchronous();
        }
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

fn answer_all(jobs: Jobs, failure: &Failure) {
    for job in jobs {
        let error = failure.of(job.operation());
        job.answer(Err(error));
    }
}

/// Does the jobs, and answers those that fail alone.
fn do_all(jobs: Jobs, scope: &mut Scope<'_>) -> Transacted {
    let mut done = Vec::with_capacity(jobs.len());
    let mut jobs = jobs.into_iter();
    while let Some(mut job) = jobs.next() {
        let Err(error) = behind_savepoint(scope, |scope| job.run(scope)) else {
            done.push(job);
            continue;
        };
        if scope.connection.is_autocommit() {
            let at = done.len();
            done.push(job);
            done.extend(jobs);
            return Err(Undone::Company(done, at, error));
        }
        let failed = failure::of_operation(job.operation(), &error);
        job.answer(Err(failed));
    }
    Ok(done)
}

/// Does something that leaves no trace if it fails.
fn behind_savepoint<T>(
    scope: &mut Scope<'_>,
    act: impl FnOnce(&mut Scope<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let (connection, news) = (scope.connection, scope.news.len());
    let releasing = scope.releasing.len();
    let run = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
    run("SAVEPOINT job")?;
    let outcome = act(scope).and_then(|done| run("RELEASE job").map(|()| done));
    if outcome.is_err() {
        scope.news.truncate(news);
        scope.forget_releases(releasing);
        // If this fails, so does the transaction.
        let _ = run("ROLLBACK TO job").and_then(|()| run("RELEASE job"));
    }
    outcome
}

/// Sweeps out some of what has expired, and notes the time now and then. Returns when it was noted last.
fn tidy(scope: &mut Scope<'_>, jobs: usize, noted: Time) -> rusqlite::Result<Time> {
    sweep::some(scope, jobs)?;
    if scope.now - noted < NOTED_EVERY {
        return Ok(noted);
    }
    scope
        .connection
        .prepare_cached("UPDATE host SET seen = max(seen, ?1)")?
        .execute([scope.now])?;
    Ok(scope.now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::OwnerId;

    /// The release is undone, so one that is sent again must be done, and not answered from memory.
    #[test]
    fn a_release_that_is_undone_is_not_remembered() {
        let lease = |resource: &str| LeaseId {
            resource: resource.into(),
            owner: OwnerId::random(),
        };
        let (done, undone) = (lease("done"), lease("undone"));
        let mut scope = Scope {
            connection: &Connection::open_in_memory().unwrap(),
            now: 0,
            news: &mut News::default(),
            wakes: &mut Wakes::default(),
            released: &mut Released::remembering(REMEMBERED),
            releasing: &mut Vec::new(),
        };
        scope.connection.execute_batch("BEGIN").unwrap();
        let release = |scope: &mut Scope<'_>, lease: &LeaseId| {
            behind_savepoint(scope, |scope| {
                scope.remember_release(lease, true);
                if *lease == undone {
                    // Then the job's own savepoint is no longer there to be released.
                    scope.connection.execute_batch("RELEASE job")?;
                }
                Ok(())
            })
        };
        release(&mut scope, &done).unwrap();
        release(&mut scope, &undone).unwrap_err();
        assert_eq!(scope.release_of(&done), Some(true));
        assert_eq!(scope.release_of(&undone), None);
    }
}
