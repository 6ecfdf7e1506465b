//! Taking out what has expired, a little with each transaction that writes.
//!
//! What has expired is absent already; this makes room. Each transaction takes out as much as it can have put in, and
//! a little more, so that no pile grows.

use std::sync::Arc;

use super::leases;
use super::writer::Scope;

/// How many more than the jobs of the transaction.
const MORE: usize = 2;
/// How many entries of one log.
const LOG_ENTRIES: u32 = 16;

pub(super) fn some(scope: &mut Scope<'_>, jobs: usize) -> rusqlite::Result<()> {
    let at_most = i64::try_from(jobs + MORE).unwrap_or(i64::MAX);
    records(scope, at_most)?;
    lines(scope, at_most)?;
    log(scope)
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

/// From the end, so that what is left is a log until it is gone.
fn log(scope: &Scope<'_>) -> rusqlite::Result<()> {
    let mut due = scope.connection.prepare_cached(
        "SELECT log FROM log_end WHERE expires_at <= ?1 ORDER BY expires_at LIMIT 1",
    )?;
    let mut rows = due.query([scope.now])?;
    let Some(row) = rows.next()? else {
        return Ok(());
    };
    let log: String = row.get(0)?;
    let deleted = scope
        .connection
        .prepare_cached(
            "DELETE FROM log_entry WHERE log = ?1 AND position IN (
                 SELECT position FROM log_entry WHERE log = ?1 ORDER BY position DESC LIMIT ?2
             )",
        )?
        .execute(rusqlite::params![log, LOG_ENTRIES])?;
    if u32::try_from(deleted).is_ok_and(|deleted| deleted < LOG_ENTRIES) {
        scope
            .connection
            .prepare_cached("DELETE FROM log_end WHERE log = ?1")?
            .execute([log])?;
    }
    Ok(())
}
