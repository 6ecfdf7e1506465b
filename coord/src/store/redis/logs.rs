//! Logs in Redis: lists, whose entries are the operation's id and the value.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use super::link::Link;
use super::script::{LARGEST_IN_COMPANY, Script, only, several};
use super::{failure, milliseconds};
use crate::store::batch::Call;
use crate::store::{Append, AppendRequest, Result};

const ID_BYTES: usize = 16;

pub(super) async fn append(link: &Arc<Link>, request: &AppendRequest) -> Result<Append> {
    let call = AppendCall(request.clone());
    if link.batches() && request.entry.len() <= LARGEST_IN_COMPANY {
        return link.appending.call(link, call).await;
    }
    let answers = AppendCall::send(link, &[call]).await?;
    only(answers, AppendCall::OPERATION)
}

/// Appending to a log.
pub(super) struct AppendCall(AppendRequest);

impl Call for AppendCall {
    type Link = Link;
    const OPERATION: &'static str = "append";
    type Answer = Append;

    async fn send(link: &Arc<Link>, calls: &[Self]) -> Result<Vec<Result<Append>>> {
        let bytes: usize = calls.iter().map(|Self(append)| append.entry.len()).sum();
        let (keys, arguments) = (calls.len(), 4 * calls.len());
        let mut command = link
            .form()
            .call_with(Script::LogAppend, keys, arguments, bytes);
        for Self(append) in calls {
            command.arg(link.names.log(&append.log));
        }
        for Self(append) in calls {
            command
                .arg(&append.operation.to_bits().to_be_bytes()[..])
                .arg(append.expected_len)
                .arg(&append.entry[..])
                .arg(link.names.log_channel(&append.log));
        }
        match link.send("append", &command).await? {
            Value::Int(-1) => Ok(calls.iter().map(|_| Ok(Append::Appended)).collect()),
            reply => Ok(several(reply).iter().map(answer).collect()),
        }
    }
}

fn answer(reply: &Value) -> Result<Append> {
    match reply {
        Value::Int(-1) => Ok(Append::Appended),
        Value::Int(len) => u64::try_from(*len)
            .map(|len| Append::Conflict { len })
            .map_err(|_| failure::of_reply("append")),
        _ => Err(failure::of_reply("append")),
    }
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
