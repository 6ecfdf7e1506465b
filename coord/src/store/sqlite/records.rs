//! Records.
//!
//! With a record are stored the ids of the last operations on it, so that a repeated request is recognised. A
//! deleted record stays for a minute without a value, for the same reason.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::clock::{self, Time};
use super::reader::View;
use super::wakes::Event;
use super::writer::Scope;
use crate::store::{
    DeleteRequest, Entry, ListRequest, OperationId, Page, Put, PutRequest, Version, Watched,
};

const REMEMBERED_OPERATIONS: usize = 9;
const STONE_LASTS: Duration = Duration::from_secs(60);
const ID_BYTES: usize = 16;

/// What is stored under a key that has not expired.
struct Slot {
    /// `None` once deleted.
    entry: Option<Entry>,
    /// The ids of the last operations, the latest at the end.
    recent: Vec<u8>,
}

impl Slot {
    fn has_seen(&self, operation: OperationId) -> bool {
        self.recent
            .chunks(ID_BYTES)
            .any(|id| id == id_bytes(operation))
    }
}

pub(super) fn get(view: &View<'_>, key: &str) -> rusqlite::Result<Option<Entry>> {
    Ok(slot(view.connection, key, view.now)?.and_then(|slot| slot.entry))
}

pub(super) fn put(scope: &mut Scope<'_>, request: &PutRequest) -> rusqlite::Result<Put> {
    let there = slot(scope.connection, &request.key, scope.now)?;
    if there
        .as_ref()
        .is_some_and(|slot| slot.has_seen(request.operation))
    {
        return Ok(Put::Stored(request.operation.into()));
    }
    let (current, recent) = there.map_or_else(Default::default, |slot| (slot.entry, slot.recent));
    if !request.condition.holds(current.as_ref()) {
        return Ok(Put::Conflict(current));
    }
    let expires_at = request.ttl.map(|ttl| clock::after(scope.now, ttl));
    write(
        scope,
        &request.key,
        Some(&request.value),
        expires_at,
        recent,
        request.operation,
    )?;
    if !request.quiet {
        tell(scope, &request.key);
    }
    Ok(Put::Stored(request.operation.into()))
}

pub(super) fn delete(scope: &mut Scope<'_>, request: &DeleteRequest) -> rusqlite::Result<bool> {
    let Some(there) = slot(scope.connection, &request.key, scope.now)? else {
        return Ok(false);
    };
    if there.has_seen(request.operation) {
        return Ok(true);
    }
    if there.entry.is_none() || !request.condition.holds(there.entry.as_ref()) {
        return Ok(false);
    }
    let gone_at = clock::after(scope.now, STONE_LASTS);
    write(
        scope,
        &request.key,
        None,
        Some(gone_at),
        there.recent,
        request.operation,
    )?;
    tell(scope, &request.key);
    Ok(true)
}

/// Passes over what was deleted within the last minute, or has expired and is not swept yet, and over nothing else.
pub(super) fn list(view: &View<'_>, request: &ListRequest) -> rusqlite::Result<Page> {
    let after = request
        .after
        .as_deref()
        .filter(|after| *after >= request.prefix.as_str());
    let mut statement = view.connection.prepare_cached(
        "SELECT expires_at, version, value, key FROM record
         WHERE key >= ?1 AND key < ?2
             AND value IS NOT NULL AND (expires_at IS NULL OR expires_at > ?3)
         ORDER BY key",
    )?;
    let mut rows = statement.query(params![
        after.unwrap_or(&request.prefix),
        end_of(&request.prefix),
        view.now
    ])?;
    let mut page = Page::default();
    while let Some(row) = rows.next()? {
        let key: String = row.get(3)?;
        if after == Some(&*key) {
            continue;
        }
        if page.entries.len() == request.limit {
            page.next = page.entries.last().map(|(key, _)| key.clone());
            break;
        }
        if let Some(entry) = entry(row, view.now)? {
            page.entries.push((key, entry));
        }
    }
    Ok(page)
}

/// The least that is behind every text with this prefix.
pub(super) fn end_of(prefix: &str) -> Value {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let mut behind = last..=char::MAX;
        if let Some(next) = behind.nth(1) {
            end.push(next);
            return Value::Text(end);
        }
    }
    // Every text comes before it.
    Value::Blob(Vec::new())
}

/// The version of what is stored, for those who want to know whether it has changed.
pub(super) fn version(
    connection: &Connection,
    key: &str,
    now: Time,
) -> rusqlite::Result<Option<Version>> {
    let entry = slot(connection, key, now)?.and_then(|slot| slot.entry);
    Ok(entry.map(|entry| entry.version))
}

fn slot(connection: &Connection, key: &str, now: Time) -> rusqlite::Result<Option<Slot>> {
    connection
        .prepare_cached(
            "SELECT expires_at, version, value, recent FROM record
             WHERE key = ?1 AND (expires_at IS NULL OR expires_at > ?2)",
        )?
        .query_row(params![key, now], |row| {
            Ok(Slot {
                entry: entry(row, now)?,
                recent: row.get(3)?,
            })
        })
        .optional()
}

/// Reads the columns `expires_at`, `version` and `value`.
fn entry(row: &Row<'_>, now: Time) -> rusqlite::Result<Option<Entry>> {
    let Some(value) = row.get_ref(2)?.as_blob_or_null()? else {
        return Ok(None);
    };
    let expires_at: Option<Time> = row.get(0)?;
    Ok(Some(Entry {
        value: Bytes::copy_from_slice(value),
        version: Version::from_bits(u128::from_be_bytes(row.get(1)?)),
        expires_in: expires_at.map(|at| clock::until(at, now)),
    }))
}

fn write(
    scope: &Scope<'_>,
    key: &str,
    value: Option<&[u8]>,
    expires_at: Option<Time>,
    mut recent: Vec<u8>,
    operation: OperationId,
) -> rusqlite::Result<()> {
    if recent.len() >= REMEMBERED_OPERATIONS * ID_BYTES {
        recent.drain(..ID_BYTES);
    }
    let id = id_bytes(operation);
    recent.extend_from_slice(&id);
    scope
        .connection
        .prepare_cached(
            "INSERT INTO record (key, expires_at, version, recent, value) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (key) DO UPDATE SET
                 expires_at = excluded.expires_at, version = excluded.version,
                 recent = excluded.recent, value = excluded.value",
        )?
        .execute(params![key, expires_at, id, recent, value])
        .map(drop)
}

fn tell(scope: &mut Scope<'_>, key: &str) {
    if scope.wakes.are_wanted() {
        scope
            .news
            .push(Event::Changed(Watched::Record(key.to_owned())));
    }
}

fn id_bytes(operation: OperationId) -> [u8; ID_BYTES] {
    operation.to_bits().to_be_bytes()
}
