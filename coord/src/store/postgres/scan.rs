//! The names of all that is stored, and what the server says of itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_postgres::Row;

use super::failure;
use super::link::Link;
use super::records::end_of;
use super::statement::Statement;
use crate::store::{Examination, Result, ScanPage, ScanRequest, Scanned};

/// One round trip.
pub(super) async fn scan(link: &Arc<Link>, request: &ScanRequest) -> Result<ScanPage> {
    let statement = match request.what {
        Scanned::Records => Statement::RecordScan,
        Scanned::Leases => Statement::LeaseScan,
    };
    let limit = request.limit.max(1);
    let parameters = [
        request.cursor.as_deref().unwrap_or("").into(),
        request.prefix.as_str().into(),
        end_of(&request.prefix).into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let rows = link.read("scan", statement, &parameters).await?;
    let name = |row: &Row| String::from_utf8(row.try_get(0).ok()?).ok();
    let names: Option<Vec<String>> = rows.iter().map(name).collect();
    let names = names.ok_or_else(|| failure::of_reply("scan"))?;
    let next = names.last().filter(|_| names.len() >= limit).cloned();
    Ok(ScanPage { names, next })
}

/// One round trip.
pub(super) async fn examine(link: &Arc<Link>) -> Result<Examination> {
    let rows = link.read("examine", Statement::Examine, &[]).await?;
    let found = rows.first().and_then(examination);
    found.ok_or_else(|| failure::of_reply("examine"))
}

fn examination(row: &Row) -> Option<Examination> {
    let micros = u64::try_from(row.try_get::<_, i64>(0).ok()?).ok()?;
    let setting = |at| row.try_get::<_, String>(at).ok();
    let version = setting(1)?;
    let version = version.split(' ').next().unwrap_or_default();
    let mut found = Examination::unknown()
        .server(format!("PostgreSQL {version}"))
        .time(SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(micros)));
    let syncs = setting(2)? != "off";
    found = found.loses_latest(!syncs);
    if !syncs {
        found = found.warn(
            "`fsync` is `off`: when the server's host crashes, the database can be damaged or behind; turn it on",
        );
    }
    if setting(3)? == "off" {
        found = found.warn(
            "`full_page_writes` is `off`: when the server's host crashes, pages can be torn; turn it on",
        );
    }
    Some(found)
}
