//! Sweeping: what has expired is absent, and takes room until it is swept out. A few shards at a time, by whichever
//! process comes first.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::clock::{Time, milliseconds};
use super::link::{Link, cell, get};
use super::wire::{Code, Request};
use super::{cell as cells, failure, line, logs, path, records};
use crate::store::Result;

/// How many shards are swept each time.
const SHARDS_AT_ONCE: usize = 16;
/// How many nodes are read together.
const AT_ONCE: usize = 100;
/// How long what is left of a record recognises operations that come again.
const RECOGNISED_FOR: Time = 60_000;

/// Sweeps until the store is dropped.
pub(super) async fn run(link: Weak<Link>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(link) = link.upgrade() else { return };
        // Forgets what nobody watches any more, and nothing has happened to.
        link.wakes.channels();
        // What fails now is swept later. A connection is not made for it.
        if link.working().is_some() {
            let _ = sweep(&link, every).await;
        }
    }
}

async fn sweep(link: &Arc<Link>, every: Duration) -> Result<()> {
    let Some(first) = take_turn(link, every).await? else {
        return Ok(());
    };
    for shard in (first..first + SHARDS_AT_ONCE).map(|shard| shard % path::SHARDS) {
        for kind in ["lines", "records", "logs"] {
            sweep_shard(link, kind, shard).await?;
        }
    }
    Ok(())
}

/// The first shard to be swept now, if nobody else sweeps.
async fn take_turn(link: &Link, every: Duration) -> Result<Option<usize>> {
    let path = link.address.root.sweep();
    let [reply] = link.ask("sweep", &[get(&path)]).await?;
    let Some((data, stat)) = logs::data("sweep", reply)? else {
        return link
            .make_folders("sweep", &format!("{path}/"))
            .await
            .map(|()| None);
    };
    if link.now().await? < stat.changed_at.saturating_add(milliseconds(every) / 2) {
        return Ok(None);
    }
    let first = std::str::from_utf8(&data)
        .ok()
        .and_then(|text| text.parse::<usize>().ok());
    let first = first.unwrap_or(0) % path::SHARDS;
    let next = (first + SHARDS_AT_ONCE) % path::SHARDS;
    let taken = [Request::SetData {
        path,
        data: Bytes::from(next.to_string()),
        version: Some(stat.version),
    }];
    let [reply] = link.ask("sweep", &taken).await?;
    Ok(reply
        .stat()
        .map_err(failure::of_reply("sweep"))?
        .is_ok()
        .then_some(first))
}

async fn sweep_shard(link: &Link, kind: &str, shard: usize) -> Result<()> {
    let folder = link.address.root.shard(kind, shard);
    let asked = [Request::Children {
        path: folder.clone(),
    }];
    let [reply] = link.ask("sweep", &asked).await?;
    let names = match reply.children().map_err(failure::of_reply("sweep"))? {
        Ok((names, _)) => names,
        Err(Code::NO_NODE) => return Ok(()),
        Err(code) => return Err(failure::of_code("sweep", code)),
    };
    for names in names.chunks(AT_ONCE) {
        let paths: Vec<_> = names
            .iter()
            .map(|name| format!("{folder}/{name}"))
            .collect();
        let asked: Vec<_> = paths.iter().map(|path| get(path)).collect();
        let replies = link.ask_all("sweep", &asked).await?;
        let now = link.now().await?;
        for ((path, name), reply) in paths.iter().zip(names).zip(replies) {
            if kind == "logs" {
                let Some((header, stat)) = logs::data("sweep", reply)? else {
                    continue;
                };
                if logs::ends_at(&header, stat).is_some_and(|end| end <= now) {
                    logs::remove(link, "sweep", path, stat).await?;
                }
                continue;
            }
            // One that cannot be read is none of ours, and no reason to leave the others.
            let Ok(Some(there)) = cell("sweep", reply) else {
                continue;
            };
            if kind == "lines" {
                if line::is_dead(&there, now) {
                    let removed = cells::remove(path, there.mark).to_vec();
                    link.change("sweep", removed, []).await?;
                }
            } else {
                sweep_record(link, path, name, there, now).await?;
            }
        }
    }
    Ok(())
}

async fn sweep_record(
    link: &Link,
    path: &str,
    name: &str,
    there: cells::Cell,
    now: Time,
) -> Result<()> {
    let mark = there.mark;
    let Some(record) = records::Record::parse(there) else {
        return Ok(());
    };
    let ended = record
        .ends_at()
        .map(|end| end.saturating_add(RECOGNISED_FOR));
    let Some(key) = path::unescape(name).filter(|_| ended.is_some_and(|ended| ended <= now)) else {
        return Ok(());
    };
    let mut changes = cells::remove(path, mark).to_vec();
    let listed = link.address.root.listed(&key);
    if record.header.is_listed {
        changes.push(super::wire::Change::Delete {
            path: listed.clone(),
        });
    }
    link.change("sweep", changes, []).await?;
    // Folders that nothing is listed in any more, from within. One that has something in it stays.
    let top = link.address.root.listed("");
    let top = top.rsplit_once('/').map_or("", |(top, _)| top);
    let folders: Vec<_> = path::parents(&listed)
        .filter(|folder| folder.len() > top.len())
        .map(|folder| Request::Delete {
            path: folder.to_owned(),
        })
        .collect();
    if !folders.is_empty() {
        let from_within: Vec<_> = folders.into_iter().rev().collect();
        link.ask_all("sweep", &from_within).await?;
    }
    Ok(())
}
