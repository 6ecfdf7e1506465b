//! The names of all that is stored.

use rusqlite::params;

use super::reader::View;
use super::records::end_of;
use crate::store::{ScanPage, ScanRequest, Scanned};

const RECORDS: &str = "SELECT key FROM record
     WHERE key >= ?1 AND key > ?2 AND key < ?3
         AND value IS NOT NULL AND (expires_at IS NULL OR expires_at > ?4)
     ORDER BY key LIMIT ?5";
const LEASES: &str = "SELECT DISTINCT resource FROM contender
     WHERE resource >= ?1 AND resource > ?2 AND resource < ?3 AND expires_at > ?4
     ORDER BY resource LIMIT ?5";

pub(super) fn scan(view: &View<'_>, request: &ScanRequest) -> rusqlite::Result<ScanPage> {
    let mut statement = view.connection.prepare_cached(match request.what {
        Scanned::Records => RECORDS,
        Scanned::Leases => LEASES,
    })?;
    let limit = i64::try_from(request.limit.max(1)).unwrap_or(i64::MAX);
    // No name is empty, so all come behind the empty text.
    let rows = statement.query_map(
        params![
            request.prefix,
            request.cursor.as_deref().unwrap_or(""),
            end_of(&request.prefix),
            view.now,
            limit
        ],
        |row| row.get(0),
    )?;
    let names = rows.collect::<rusqlite::Result<Vec<String>>>()?;
    let is_full = i64::try_from(names.len()).is_ok_and(|found| found == limit);
    let next = names.last().filter(|_| is_full).cloned();
    Ok(ScanPage { names, next })
}
