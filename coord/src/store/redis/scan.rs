//! The names of all that is stored in Redis: as `SCAN` finds them on a server, and slot by slot in a cluster.

use std::sync::Arc;

#[cfg(feature = "redis-cluster")]
use futures_util::future::try_join_all;

use super::failure;
use super::link::Link;
use super::links::Links;
#[cfg(feature = "redis-cluster")]
use super::partitions::{self, PARTITIONS};
use crate::store::{Result, ScanPage, ScanRequest, Scanned, scan};

/// How many names the server looks at for one page, at least and at most.
const LEAST: usize = 250;
const MOST: usize = 10_000;
/// How many partitions of a cluster are looked at for one page.
#[cfg(feature = "redis-cluster")]
const PARTITIONS_AT_ONCE: usize = 32;
/// All keys of a slot. A script is sent to whoever has the slot, which the command by itself is not. While a slot is on its way,
/// this tells those that have stayed.
#[cfg(feature = "redis-cluster")]
const KEYS_OF_SLOT: &str = include_str!("lua/keys_of_slot.lua");

/// One round trip.
pub(super) async fn scan(links: &Links, request: &ScanRequest) -> Result<ScanPage> {
    match links {
        Links::One(link) => scan_server(link, request).await,
        #[cfg(feature = "redis-cluster")]
        Links::Parts(parts) => scan_parts(&parts.all(), request).await,
    }
}

/// The server looks at all names of the database, whoever's they are.
async fn scan_server(link: &Arc<Link>, request: &ScanRequest) -> Result<ScanPage> {
    let (begins, ends) = around(request.what);
    let cursor: u64 = cursor(request)?;
    let pattern = [begins, &literally(&request.prefix), "*", ends].concat();
    let mut command = redis::cmd("SCAN");
    command
        .arg(cursor)
        .arg("MATCH")
        .arg(pattern)
        .arg("COUNT")
        .arg(request.limit.clamp(LEAST, MOST));
    let (next, keys): (u64, Vec<Vec<u8>>) = link.send("scan", &command).await?;
    if request.cursor.is_some() && next == cursor && next != 0 {
        return Err(failure::of_reply("scan"));
    }
    let names = keys.into_iter().filter_map(|key| name(key, "", request));
    Ok(ScanPage {
        names: names.collect(),
        next: (next != 0).then(|| next.to_string()),
    })
}

#[cfg(feature = "redis-cluster")]
async fn scan_parts(links: &[Arc<Link>], request: &ScanRequest) -> Result<ScanPage> {
    let first: usize = cursor(request)?;
    let end = first.saturating_add(PARTITIONS_AT_ONCE).min(PARTITIONS);
    let some = links.get(first..end).unwrap_or_default();
    let asked = some.iter().zip(first..).map(async |(link, partition)| {
        let mut command = redis::cmd("EVAL");
        command
            .arg(KEYS_OF_SLOT)
            .arg(1)
            .arg(&link.names.tokens)
            .arg(partitions::slot_of(partition));
        link.send::<Vec<Vec<u8>>>("scan", &command).await
    });
    let mut page = ScanPage::default();
    for (keys, partition) in try_join_all(asked).await?.into_iter().zip(first..) {
        let tag = partitions::tag(partition);
        let names = keys.into_iter().filter_map(|key| name(key, tag, request));
        page.names.extend(names);
    }
    page.next = (end < PARTITIONS).then(|| end.to_string());
    Ok(page)
}

/// Where the scan goes on: 0 at its beginning.
fn cursor<T: std::str::FromStr + Default>(request: &ScanRequest) -> Result<T> {
    match &request.cursor {
        None => Ok(T::default()),
        Some(cursor) => cursor.parse().map_err(|_| scan::foreign_cursor()),
    }
}

/// The name in a key, if it is of the kind that is asked for. What is no text is none of ours.
fn name(key: Vec<u8>, tag: &str, request: &ScanRequest) -> Option<String> {
    let (begins, ends) = around(request.what);
    let key = String::from_utf8(key).ok()?;
    let name = key.strip_prefix(tag)?.strip_prefix(begins)?;
    let name = name.strip_suffix(ends)?;
    name.starts_with(&request.prefix).then(|| name.to_owned())
}

/// What stands around a name in the key.
fn around(what: Scanned) -> (&'static str, &'static str) {
    match what {
        Scanned::Records => ("{coord:", "}:record"),
        Scanned::Leases => ("{", "}"),
    }
}

/// A pattern that fits the text and nothing else.
fn literally(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for one in text.chars() {
        if matches!(one, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(one);
    }
    pattern
}
