//! Taking out what has expired, a little with each transaction that writes.
//!
//! What has expired is absent already; this makes room. Each transaction takes out as much as it can have put in, and
//! a little more, so that no pile grows.

use std::sync::Arc;

use rusqlite::OptionalExtension as _;

use super::leases;
use super::writer::Scope;

/// How many more than the jobs of the transaction.
const MORE: usize = 2;
/// How many rows of logs at least.
const ROWS_OF_LOGS: i64 = 16;

pub(super) fn some(scope: &mut Scope<'_>, jobs: usize) -> rusqlite::Result<()> {
    let at_most = i64::try_from(jobs + MORE).unwrap_or(i64::MAX);
    records(scope, at_most)?;
    lines(scope, at_most)?;
    logs(scope, at_most.max(ROWS_OF_LOGS))
}

fn records(scope: &Scope<'_>, at_most: i64) -> rusqlite::Result<()> {
    scope
        .connection
        .prepare_cached(
            "DELETE FROM record WHERE key IN (
                 SELECT key FROM record WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2
             )",
        )?
        .execute([scope.now, at_most])
        .map(drop)
}

/// Hands over what the dead held as well.
fn lines(scope: &mut Scope<'_>, at_most: i64) -> rusqlite::Result<()> {
    let mut expired = scope.connection.prepare_cached(
        "SELECT DISTINCT resource FROM (
             SELECT resource FROM contender WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2
         )",
    )?;
    let resources: Vec<Arc<str>> = expired
        .query_map([scope.now, at_most], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    resources
        .iter()
        .try_for_each(|resource| leases::settle(scope, resource))
}

/// Entries and ends of logs, as many rows as this. From the end, so that what is left is a log until it is gone.
fn logs(scope: &Scope<'_>, at_most: i64) -> rusqlite::Result<()> {
    let mut due = scope.connection.prepare_cached(
        "SELECT log FROM log_end WHERE expires_at <= ?1 ORDER BY expires_at LIMIT 1",
    )?;
    let mut delete_entries = scope.connection.prepare_cached(
        "DELETE FROM log_entry WHERE log = ?1 AND position IN (
             SELECT position FROM log_entry WHERE log = ?1 ORDER BY position DESC LIMIT ?2
         )",
    )?;
    let mut delete_end = scope
        .connection
        .prepare_cached("DELETE FROM log_end WHERE log = ?1")?;
    let mut left = at_most;
    while left > 0 {
        let log: Option<String> = due.query_row([scope.now], |row| row.get(0)).optional()?;
        let Some(log) = log else {
            return Ok(());
        };
        let deleted = delete_entries.execute(rusqlite::params![log, left])?;
        left -= i64::try_from(deleted).unwrap_or(left);
        if left > 0 {
            left -= i64::try_from(delete_end.execute([log])?.max(1)).unwrap_or(left);
        }
    }
    Ok(())
}
