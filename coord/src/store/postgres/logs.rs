//! Logs. What happens on the server stands in `sql/logs.sql`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::job::Job;
use super::link::Link;
use super::lock::Subject;
use super::statement::Statement;
use super::{failure, microseconds};
use crate::store::{Append, AppendRequest, Result};

pub(super) async fn append(link: &Arc<Link>, request: &AppendRequest) -> Result<Append> {
    let parameters = [
        request.log.as_str().into(),
        stored(request.expected_len).into(),
        request.operation.to_bits().into(),
        request.entry.clone().into(),
    ];
    let lock = lock(link, &request.log);
    let row = Job::new("append", Statement::LogAppend, lock, parameters)
        .run(link)
        .await?;
    let len: Option<i64> = row.try_get(0).map_err(|_| failure::of_reply("append"))?;
    Ok(len.map_or(Append::Appended, |len| Append::Conflict {
        len: u64::try_from(len).unwrap_or(0),
    }))
}

pub(super) async fn read(
    link: &Arc<Link>,
    log: &str,
    from: u64,
    limit: usize,
) -> Result<Vec<Bytes>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let parameters = [log.into(), stored(from).into(), limit.into()];
    let rows = link.read("read", Statement::LogRead, &parameters).await?;
    let entries: std::result::Result<_, _> = rows
        .iter()
        .map(|row| row.try_get(0).map(Bytes::copy_from_slice))
        .collect();
    entries.map_err(|_| failure::of_reply("read"))
}

pub(super) async fn expire(link: &Arc<Link>, log: &str, ttl: Duration) -> Result<()> {
    let parameters = [log.into(), microseconds(ttl).into()];
    let job = Job::new("expire", Statement::LogExpire, lock(link, log), parameters);
    job.run(link).await.map(drop)
}

fn lock(link: &Link, log: &str) -> i64 {
    Subject::Log.lock(link.schema.name(), log.as_bytes())
}

/// No log has more entries than this can count.
fn stored(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}
