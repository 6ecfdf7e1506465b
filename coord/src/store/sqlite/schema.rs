//! The tables, and how a database becomes ours.
//!
//! 1. A file is ours if it says so in its header, and only an empty one is made ours. Nothing is written into any
//!    other.
//! 2. Whatever is made of an empty file is made in one transaction, after a look inside of it. So of many processes
//!    that open a new file at once, one makes the tables, and one that dies leaves an empty file.
//! 3. Every process that opens the database raises the tokens to the time, if they are behind. So tokens of a
//!    file that was put back from a copy, or made anew, are above all that were given out before.

use rusqlite::{Connection, params};

use super::clock::{self, HostClock, Time};
use crate::error::{StoreError, StoreErrorKind};
use crate::store::lease::first_token;
use crate::store::{FencingToken, Result};

/// "coor", in the place of the header that is for the kind of file.
const APPLICATION_ID: i32 = 0x636f_6f72;
/// The version of the tables.
const VERSION: i32 = 1;

const TABLES: &str = "
    -- What there is one of: the last token, the latest time that was noted, and which boot of the host was when.
    CREATE TABLE host (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        token INTEGER NOT NULL,
        seen INTEGER NOT NULL,
        boot TEXT NOT NULL,
        boot_time INTEGER NOT NULL
    ) STRICT;
    INSERT INTO host VALUES (1, -9223372036854775808, 0, '', 0);

    -- A record, or what is remembered of a deleted one: then it has no value.
    CREATE TABLE record (
        key TEXT PRIMARY KEY,
        expires_at INTEGER,
        version BLOB NOT NULL,
        recent BLOB NOT NULL,
        value BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX record_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;

    -- Those who are in line for a resource.
    CREATE TABLE contender (
        resource TEXT NOT NULL,
        owner BLOB NOT NULL,
        token INTEGER NOT NULL,
        weight INTEGER NOT NULL,
        capacity INTEGER NOT NULL,
        granted INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        label TEXT NOT NULL,
        PRIMARY KEY (resource, owner)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX contender_expiry ON contender (expires_at);

    CREATE TABLE log_entry (
        log TEXT NOT NULL,
        position INTEGER NOT NULL,
        operation BLOB NOT NULL,
        entry BLOB NOT NULL,
        PRIMARY KEY (log, position)
    ) STRICT, WITHOUT ROWID;

    -- The logs that are to disappear.
    CREATE TABLE log_end (
        log TEXT PRIMARY KEY,
        expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX log_end_expiry ON log_end (expires_at);
";

/// Refuses a file that is neither ours nor empty.
pub(super) fn check(owner: FileOwner) -> Result<()> {
    match owner {
        FileOwner::Nobody | FileOwner::Us(VERSION) => Ok(()),
        FileOwner::Us(version) => refused(format!(
            "the database has version {version} of the tables, and this version of coord knows version {VERSION}; \
             use the version of coord that made it, or another file"
        )),
        FileOwner::Others => refused(
            "the file is a database of another program; name a file of its own for coord"
                .to_owned(),
        ),
    }
}

/// Makes what is missing, and tells the clock of the database. Runs in a transaction of the caller's.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<HostClock> {
    if matches!(owner_of(connection)?, FileOwner::Nobody) {
        connection.execute_batch(TABLES)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", VERSION)?;
    }
    connection.execute(
        "UPDATE host SET token = ?1 WHERE token < ?1",
        params![from_token(FencingToken::new(first_token()))],
    )?;
    clock_of_boot(connection)
}

fn clock_of_boot(connection: &Connection) -> rusqlite::Result<HostClock> {
    let Some(boot) = clock::boot_id() else {
        return Ok(HostClock::Wall);
    };
    let (noted, time, seen): (String, Time, Time) =
        connection.query_row("SELECT boot, boot_time, seen FROM host", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    if noted == boot {
        return Ok(HostClock::Boot(time));
    }
    let time = clock::boot_time(seen);
    connection.execute(
        "UPDATE host SET boot = ?1, boot_time = ?2",
        params![boot, time],
    )?;
    Ok(HostClock::Boot(time))
}

/// Whose database a file is.
#[derive(Debug, Clone, Copy)]
pub(super) enum FileOwner {
    Nobody,
    /// With the version of the tables.
    Us(i32),
    Others,
}

/// Runs in a transaction of the caller's, so that it does not see another process's half done.
pub(super) fn owner_of(connection: &Connection) -> rusqlite::Result<FileOwner> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application, version, tables) {
        (APPLICATION_ID, version, _) => FileOwner::Us(version),
        (0, 0, 0) => FileOwner::Nobody,
        _ => FileOwner::Others,
    })
}

fn refused<T>(problem: String) -> Result<T> {
    Err(StoreError::new(StoreErrorKind::Denied, "open", problem))
}

/// A token as it is stored: SQLite's integers have a sign, and this keeps the order.
pub(super) fn from_token(token: FencingToken) -> i64 {
    u64::from(token).cast_signed() ^ i64::MIN
}

/// A token that was stored.
pub(super) fn to_token(stored: i64) -> FencingToken {
    FencingToken::new((stored ^ i64::MIN).cast_unsigned())
}
