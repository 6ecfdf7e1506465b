//! Logs: a row for each entry.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::clock::{self, Time};
use super::reader::View;
use super::wakes::Event;
use super::writer::Scope;
use crate::store::{Append, AppendRequest, Watched};

pub(super) fn append(scope: &mut Scope<'_>, request: &AppendRequest) -> rusqlite::Result<Append> {
    let AppendRequest {
        log,
        expected_len,
        entry,
        operation,
    } = request;
    if has_expired(scope.connection, log, scope.now)? {
        drop_now(scope.connection, log)?;
    }
    let len = len(scope.connection, log)?;
    let operation = operation.to_bits().to_be_bytes();
    if len != *expected_len {
        let there = operation_at(scope.connection, log, *expected_len)?;
        return Ok(match there {
            Some(there) if there == operation => Append::Appended,
            _ => Append::Conflict { len },
        });
    }
    scope
        .connection
        .prepare_cached(
            "INSERT INTO log_entry (log, position, operation, entry) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![log, stored(len), operation, &entry[..]])?;
    if scope.wakes.are_wanted() {
        scope.news.push(Event::Changed(Watched::Log(log.clone())));
    }
    Ok(Append::Appended)
}

pub(super) fn read(
    view: &View<'_>,
    log: &str,
    from: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Bytes>> {
    if has_expired(view.connection, log, view.now)? {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    view.connection
        .prepare_cached(
            "SELECT entry FROM log_entry WHERE log = ?1 AND position >= ?2
             ORDER BY position LIMIT ?3",
        )?
        .query_map(params![log, stored(from), limit], |row| {
            Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?))
        })?
        .collect()
}

pub(super) fn expire(scope: &Scope<'_>, log: &str, ttl: Duration) -> rusqlite::Result<()> {
    if has_expired(scope.connection, log, scope.now)? || len(scope.connection, log)? == 0 {
        return Ok(());
    }
    scope
        .connection
        .prepare_cached(
            "INSERT INTO log_end (log, expires_at) VALUES (?1, ?2)
             ON CONFLICT (log) DO UPDATE SET expires_at = excluded.expires_at",
        )?
        .execute(params![log, clock::after(scope.now, ttl)])
        .map(drop)
}

/// How many entries there are, for those who want to know whether there are more.
pub(super) fn len_at(connection: &Connection, log: &str, now: Time) -> rusqlite::Result<u64> {
    if has_expired(connection, log, now)? {
        return Ok(0);
    }
    len(connection, log)
}

fn has_expired(connection: &Connection, log: &str, now: Time) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM log_end WHERE log = ?1 AND expires_at <= ?2")?
        .exists(params![log, now])
}

/// Entries have positions without gaps, from zero on.
fn len(connection: &Connection, log: &str) -> rusqlite::Result<u64> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(position) FROM log_entry WHERE log = ?1")?
        .query_row([log], |row| row.get(0))?;
    Ok(last.map_or(0, |last| u64::try_from(last).unwrap_or(0) + 1))
}

fn operation_at(
    connection: &Connection,
    log: &str,
    position: u64,
) -> rusqlite::Result<Option<[u8; 16]>> {
    connection
        .prepare_cached("SELECT operation FROM log_entry WHERE log = ?1 AND position = ?2")?
        .query_row(params![log, stored(position)], |row| row.get(0))
        .optional()
}

/// Takes out what was not swept yet of a log that is to start anew.
fn drop_now(connection: &Connection, log: &str) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM log_entry WHERE log = ?1",
        "DELETE FROM log_end WHERE log = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([log])?;
    }
    Ok(())
}

/// No log has more entries than this can count.
fn stored(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}
