//! The database's file: where it may be, how it is opened, and whether it and what is beside it are still the same.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::clock::HostClock;
use super::{Settings, Synchronous, failure, schema};
use crate::error::{StoreError, StoreErrorKind};
use crate::store::Result;

/// How many statements are kept prepared; there are fewer.
const STATEMENTS: usize = 64;
/// Beyond this the log of what is not in the database yet is cut back to it, once its contents are.
const LOG_BYTES: i64 = 16 * 1024 * 1024;
const PAGE_BYTES: u64 = 4_096;

/// An open file.
#[derive(Debug, Clone)]
pub(super) struct File {
    path: PathBuf,
    identity: Identity,
    /// What SQLite keeps beside it. They are of the file that is meant, if the path is a link.
    beside: [(PathBuf, Identity); 2],
    settings: Settings,
}

impl File {
    /// Opens the file, and makes a database of ours in it if it is new.
    pub(super) fn open(path: &Path, settings: Settings) -> Result<(Self, Connection, HostClock)> {
        let path = std::path::absolute(path).map_err(|error| unusable(&error))?;
        // Of a link, it is where the file is that counts.
        refuse_network(&path.canonicalize().unwrap_or_else(|_| path.clone()))?;
        let before = Identity::of(&path);
        let connection = connect(&path).map_err(|error| failure::of_opening(&error))?;
        let identity = Identity::of(&path).map_err(|error| unusable(&error))?;
        if before.is_ok_and(|before| before != identity) {
            return Err(failure::of_moved_file("open"));
        }
        let clock = prepare(&connection, settings)?;
        // Both are there by now, and stay for as long as the database is open.
        let file = Self {
            beside: [beside(&path, "-wal")?, beside(&path, "-shm")?],
            path,
            identity,
            settings,
        };
        file.must_be_in_place()?;
        Ok((file, connection, clock))
    }

    /// One more connection to it.
    pub(super) fn connect(&self) -> Result<Connection> {
        let connection = connect(&self.path).map_err(|error| failure::of_opening(&error))?;
        configure(&connection, self.settings)?;
        self.must_be_in_place()?;
        Ok(connection)
    }

    /// Whether this file, and what is beside it, are what others find there. If not, they do not see what is written
    /// here.
    pub(super) fn is_in_place(&self) -> bool {
        let is_there = |path: &Path, identity: Identity| {
            Identity::of(path).is_ok_and(|found| found == identity)
        };
        is_there(&self.path, self.identity)
            && self
                .beside
                .iter()
                .all(|(path, identity)| is_there(path, *identity))
    }

    /// How long the log is that is written ahead of the database.
    pub(super) fn log_bytes(&self) -> u64 {
        let [(log, _), _] = &self.beside;
        std::fs::metadata(log).map_or(0, |found| found.len())
    }

    fn must_be_in_place(&self) -> Result<()> {
        if self.is_in_place() {
            Ok(())
        } else {
            Err(failure::of_moved_file("open"))
        }
    }

    pub(super) fn busy_timeout(&self) -> Duration {
        self.settings.busy_timeout
    }

    pub(super) fn synchronous(&self) -> Synchronous {
        self.settings.synchronous
    }
}

/// The file that SQLite keeps beside the one at `path`, under a name that ends so.
fn beside(path: &Path, end: &str) -> Result<(PathBuf, Identity)> {
    let found = || {
        let mut name = path.canonicalize()?.into_os_string();
        name.push(end);
        let identity = Identity::of(Path::new(&name))?;
        Ok((name.into(), identity))
    };
    found().map_err(|_: io::Error| failure::of_moved_file("open"))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without this, statements that compare a column with a parameter are prepared anew each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn prepare(connection: &Connection, settings: Settings) -> Result<HostClock> {
    let owner = patiently(settings.busy_timeout, || {
        schema::owner_of(&*connection.unchecked_transaction()?)
    });
    schema::check(owner.map_err(|error| failure::of_opening(&error))?)?;
    configure(connection, settings)?;
    begin(connection, settings.busy_timeout).map_err(|error| failure::of_opening(&error))?;
    // Dropping the connection rolls back what is not committed.
    schema::check(schema::owner_of(connection).map_err(|error| failure::of_opening(&error))?)?;
    let clock = schema::prepare(connection).map_err(|error| failure::of_opening(&error))?;
    commit(connection).map_err(|error| failure::of_opening(&error))?;
    Ok(clock)
}

/// What has to be said anew to each connection.
fn configure(connection: &Connection, settings: Settings) -> Result<()> {
    let mode = patiently(settings.busy_timeout, || {
        set_up(connection, settings)?;
        connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
    });
    match mode {
        Ok(mode) if mode.eq_ignore_ascii_case("wal") => Ok(()),
        Ok(_) => Err(StoreError::new(
            StoreErrorKind::Denied,
            "open",
            "the file system lacks what SQLite needs to write ahead; put the file on another one",
        )),
        Err(error) => Err(failure::of_opening(&error)),
    }
}

/// Says whether commits wait for the disk, from the next one on.
pub(super) fn synchronize(
    connection: &Connection,
    synchronous: Synchronous,
) -> rusqlite::Result<()> {
    let level = match synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", level)
}

fn set_up(connection: &Connection, settings: Settings) -> rusqlite::Result<()> {
    synchronize(connection, settings.synchronous)?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    if let Some(largest) = settings.largest_size {
        let pages = i64::try_from(largest / PAGE_BYTES).unwrap_or(i64::MAX);
        connection.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))?;
    }
    Ok(())
}

/// Begins a transaction that writes, as soon as no other process has one.
pub(super) fn begin(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    patiently(patience, || {
        connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute([])
            .map(drop)
    })
}

/// Makes what was written in the transaction durable and seen.
pub(super) fn commit(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("COMMIT")?.execute([]).map(drop)
}

/// Tries again for so long while others keep the database locked. The pauses are much shorter than those that
/// SQLite makes by itself: others' transactions take no longer than a commit.
pub(super) fn patiently<T>(
    patience: Duration,
    mut attempt: impl FnMut() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let started = Instant::now();
    let mut longest_pause = 100;
    loop {
        match attempt() {
            Err(error) if is_busy(&error) && started.elapsed() < patience => {
                std::thread::sleep(Duration::from_micros(rand::random_range(50..longest_pause)));
                longest_pause = (longest_pause * 2).min(2_000);
            }
            outcome => return outcome,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

fn unusable(error: &io::Error) -> StoreError {
    let problem = match error.kind() {
        io::ErrorKind::NotFound => "the folder of the file does not exist; make it first",
        io::ErrorKind::PermissionDenied => {
            "this user may not look into the folder of the file; allow it"
        }
        _ => "the path cannot be used; name a file in a folder that exists",
    };
    StoreError::new(StoreErrorKind::Denied, "open", problem)
}

/// Which file it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let found = std::fs::metadata(path)?;
        Ok(Self(found.dev(), found.ino()))
    }

    /// Elsewhere an open file cannot be moved or deleted.
    #[cfg(not(unix))]
    fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|_| Self(0, 0))
    }
}

/// Processes on different hosts do not share the memory that they would need to write in turns.
#[cfg(target_os = "linux")]
fn refuse_network(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let found = rustix::fs::statfs(folder).map_err(|error| unusable(&error.into()))?;
    if NETWORK_FILE_SYSTEMS.contains(&u32::try_from(found.f_type & 0xffff_ffff).unwrap_or(0)) {
        return Err(StoreError::new(
            StoreErrorKind::Denied,
            "open",
            "the file is on a network file system, where SQLite can damage it; put it on a disk of this host, or \
             use a store that is a server",
        ));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::metadata(folder)
        .map(drop)
        .map_err(|error| unusable(&error))
}

/// As `statfs` tells them: NFS, SMB (three kinds), AFS, Coda, Ceph, 9P, Lustre, GFS2, OCFS2 and GPFS.
#[cfg(target_os = "linux")]
const NETWORK_FILE_SYSTEMS: [u32; 12] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x5346_414f,
    0x7375_7245,
    0x00c3_6400,
    0x0102_1997,
    0x0bd0_0bd0,
    0x0116_1970,
    0x7461_636f,
    0x4750_4653,
];
