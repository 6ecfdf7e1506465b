//! Logs in Redis: lists, whose entries are the operation's id and the value.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::link::Link;
use super::script::Script;
use super::{failure, milliseconds};
use crate::store::{Append, AppendRequest, Result};

const ID_BYTES: usize = 16;

pub(super) async fn append(link: &Arc<Link>, request: &AppendRequest) -> Result<Append> {
    let mut command = link.form().call(Script::LogAppend, 1, 4);
    command
        .arg(link.names.log(&request.log))
        .arg(&request.operation.to_bits().to_be_bytes()[..])
        .arg(request.expected_len)
        .arg(&request.entry[..])
        .arg(link.names.log_channel(&request.log));
    let len: i64 = link.send("append", &command).await?;
    Ok(u64::try_from(len).map_or(Append::Appended, |len| Append::Conflict { len }))
}

pub(super) async fn read(
    link: &Arc<Link>,
    log: &str,
    from: u64,
    limit: usize,
) -> Result<Vec<Bytes>> {
    let Some(first) = i64::try_from(from).ok().filter(|_| limit > 0) else {
        return Ok(Vec::new());
    };
    let last = i64::try_from(from.saturating_add(limit as u64) - 1).unwrap_or(-1);
    let mut command = redis::cmd("LRANGE");
    command.arg(link.names.log(log)).arg(first).arg(last);
    let channel = link.names.log_channel(log);
    let entries: Vec<Vec<u8>> = link.look(channel, "read", &command).await?;
    let value =
        |entry: Vec<u8>| (entry.len() >= ID_BYTES).then(|| Bytes::from(entry).slice(ID_BYTES..));
    entries
        .into_iter()
        .map(value)
        .collect::<Option<_>>()
        .ok_or_else(|| failure::of_reply("read"))
}

pub(super) async fn expire(link: &Arc<Link>, log: &str, ttl: Duration) -> Result<()> {
    let mut command = redis::cmd("PEXPIRE");
    command.arg(link.names.log(log)).arg(milliseconds(ttl));
    let _: i64 = link.send("expire", &command).await?;
    Ok(())
}
