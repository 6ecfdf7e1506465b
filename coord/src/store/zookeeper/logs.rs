//! Logs: a node each, with a node below it for each entry. The server counts them.
//!
//! The log's own node is written only to let it expire, so that whoever finds its version to be zero knows that it
//! does not.

use bytes::{BufMut, Bytes, BytesMut};
use std::time::Duration;

use super::clock::{Time, milliseconds};
use super::link::{Changed, Link, get};
use super::wire::{Change, Code, Malformed, Reply, Request, Stat};
use super::{TRIES, failure, path};
use crate::store::{Append, AppendRequest, Result};

/// How many entries are read or deleted together.
const AT_ONCE: usize = 64;

pub(super) async fn append(link: &Link, request: &AppendRequest) -> Result<Append> {
    let log = link.address.root.log(&request.log);
    if let Changed::Done { .. } = write(link, request, &log, 0).await? {
        return Ok(Append::Appended);
    }
    for _ in 0..TRIES {
        let entry = path::entry(&log, request.expected_len);
        let asked = [sync(&log), get(&log), get(&entry)];
        let [_, header, entry] = link.ask("append", &asked).await?;
        let Some((header, stat)) = data("append", header)? else {
            if request.expected_len > 0 {
                return Ok(Append::Conflict { len: 0 });
            }
            if let Changed::Done { .. } = write(link, request, &log, 0).await? {
                return Ok(Append::Appended);
            }
            continue;
        };
        if has_ended(link, &header, stat).await? {
            if request.expected_len > 0 {
                return Ok(Append::Conflict { len: 0 });
            }
            remove(link, "append", &log, stat).await?;
            continue;
        }
        let written = data("append", entry)?;
        let mine = request.operation.to_bits().to_be_bytes();
        if written.is_some_and(|(written, _)| written.starts_with(&mine)) {
            return Ok(Append::Appended);
        }
        let len = u64::from(stat.children);
        if len != request.expected_len {
            return Ok(Append::Conflict { len });
        }
        if let Changed::Done { .. } = write(link, request, &log, stat.version).await? {
            return Ok(Append::Appended);
        }
    }
    Err(failure::of_contention("append"))
}

/// Writes the entry, if the log has this version and length.
async fn write(link: &Link, request: &AppendRequest, log: &str, version: i32) -> Result<Changed> {
    let mut data = BytesMut::with_capacity(16 + request.entry.len());
    data.put_u128(request.operation.to_bits());
    data.put_slice(&request.entry);
    let mut changes = match request.expected_len.checked_sub(1) {
        None => vec![Change::Create {
            path: log.to_owned(),
            data: Bytes::new(),
        }],
        Some(last) => vec![
            Change::Check {
                path: log.to_owned(),
                version: Some(version),
            },
            Change::Check {
                path: path::entry(log, last),
                version: None,
            },
        ],
    };
    changes.push(Change::Create {
        path: path::entry(log, request.expected_len),
        data: data.freeze(),
    });
    link.change("append", changes, [])
        .await
        .map(|(changed, _)| changed)
}

pub(super) async fn read(link: &Link, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
    let log = link.address.root.log(log);
    let mut entries: Vec<Bytes> = Vec::new();
    while entries.len() < limit {
        let begin = from.saturating_add(entries.len() as u64);
        let few = AT_ONCE.min(limit - entries.len());
        let mut asked = vec![sync(&log), get(&log)];
        asked.extend((0..few as u64).map(|at| get(&path::entry(&log, begin.saturating_add(at)))));
        let mut replies = link.ask_all("read", &asked).await?.into_iter().skip(1);
        let Some((header, stat)) = replies
            .next()
            .map(|reply| data("read", reply))
            .transpose()?
            .flatten()
        else {
            return Ok(entries);
        };
        if entries.is_empty() && has_ended(link, &header, stat).await? {
            return Ok(entries);
        }
        for reply in replies {
            let Some((mut entry, _)) = data("read", reply)? else {
                return Ok(entries);
            };
            if entry.len() < 16 {
                return Err(failure::of_reply("read")(Malformed));
            }
            entries.push(entry.split_off(16));
        }
    }
    Ok(entries)
}

pub(super) async fn expire(link: &Link, log: &str, ttl: Duration) -> Result<()> {
    let log = link.address.root.log(log);
    let asked = [sync(&log), get(&log)];
    let [_, reply] = link.ask("expire", &asked).await?;
    let Some((header, stat)) = data("expire", reply)? else {
        return Ok(());
    };
    if has_ended(link, &header, stat).await? {
        return Ok(());
    }
    let asked = [Request::SetData {
        path: log,
        data: Bytes::copy_from_slice(&milliseconds(ttl).to_be_bytes()),
        version: Some(stat.version),
    }];
    let [reply] = link.ask("expire", &asked).await?;
    match reply.stat().map_err(failure::of_reply("expire"))? {
        Ok(stat) => {
            link.clock.hear(stat.changed_at);
            Ok(())
        }
        // Another has let it expire, or it has ended.
        Err(Code::NO_NODE | Code::BAD_VERSION) => Ok(()),
        Err(code) => Err(failure::of_code("expire", code)),
    }
}

/// Whether a log has expired, by the data and the state of its node.
async fn has_ended(link: &Link, header: &[u8], stat: Stat) -> Result<bool> {
    Ok(match ends_at(header, stat) {
        Some(end) => end <= link.now().await?,
        None => false,
    })
}

pub(super) fn ends_at(header: &[u8], stat: Stat) -> Option<Time> {
    let ttl = Time::from_be_bytes(header.try_into().ok()?);
    Some(stat.changed_at.saturating_add(ttl))
}

/// Deletes a log that has expired, from its end. Nobody appends to it meanwhile.
pub(super) async fn remove(
    link: &Link,
    operation: &'static str,
    log: &str,
    stat: Stat,
) -> Result<()> {
    let mut left = u64::from(stat.children);
    loop {
        let few = left.min(AT_ONCE as u64);
        let mut changes = vec![Change::Check {
            path: log.to_owned(),
            version: Some(stat.version),
        }];
        changes.extend((left - few..left).rev().map(|at| Change::Delete {
            path: path::entry(log, at),
        }));
        left -= few;
        if left == 0 {
            changes.push(Change::Delete {
                path: log.to_owned(),
            });
        }
        let (changed, _) = link.change(operation, changes, []).await?;
        // Otherwise somebody else does it.
        if left == 0 || matches!(changed, Changed::Refused(_)) {
            return Ok(());
        }
    }
}

/// Data and state of a node, if it is there.
pub(super) fn data(operation: &'static str, reply: Reply) -> Result<Option<(Bytes, Stat)>> {
    match reply.data().map_err(failure::of_reply(operation))? {
        Ok(found) => Ok(Some(found)),
        Err(Code::NO_NODE) => Ok(None),
        Err(code) => Err(failure::of_code(operation, code)),
    }
}

fn sync(path: &str) -> Request {
    Request::Sync {
        path: path.to_owned(),
    }
}
