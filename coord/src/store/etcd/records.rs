//! Records: a key each, with the value as it is. The version is the revision of the last write.
//!
//! Each write puts a key of its own beside it, which stays for a minute and more: whoever sends the same again finds it,
//! and the revision at which it was created.

use bytes::Bytes;

use super::link::Link;
use super::wire::{self, Compare, KeyValue, RangeRequest, TxnRequest};
use super::{TRIES, failure, grants, hearing};
use crate::store::{
    Condition, DeleteRequest, Entry, ListRequest, Page, Put, PutRequest, Result, Version, Watch,
};

/// The most records that are asked for at once: a value can have a mebibyte.
const AT_ONCE: usize = 100;

pub(super) async fn get(link: &Link, key: &str) -> Result<Option<Entry>> {
    let key = link.address.root.record(key);
    let found = link.range("get", &wire::range(&key)).await?;
    match found.kvs.into_iter().next() {
        Some(found) => Ok(Some(entry(link, "get", found).await?)),
        None => Ok(None),
    }
}

pub(super) async fn put(link: &Link, request: &PutRequest) -> Result<Put> {
    let key = link.address.root.record(&request.key);
    let operation = link.address.root.operation(request.operation.to_bits());
    let ttls = [request.ttl, Some(grants::MEMORY)];
    for _ in 0..TRIES {
        let txn = |[lease, memory]: [i64; 2]| TxnRequest {
            compare: [Compare::absent(&operation)]
                .into_iter()
                .chain(holds(&request.condition, &key))
                .collect(),
            success: vec![
                wire::put(&key, request.value.clone(), lease),
                wire::put(&operation, Bytes::new(), memory),
            ],
            failure: vec![
                wire::read(wire::range(&operation)),
                wire::read(wire::range(&key)),
            ],
        };
        let (answer, _) = grants::txn(link, "put", ttls, txn).await?;
        if answer.succeeded {
            return Ok(Put::Stored(version(answer.revision())));
        }
        let mut read = answer.ranges();
        let before = read.next().unwrap_or_default().into_iter().next();
        if let Some(before) = before {
            return Ok(Put::Stored(version(before.create_revision)));
        }
        let there = match read.next().unwrap_or_default().into_iter().next() {
            Some(there) => Some(entry(link, "put", there).await?),
            None => None,
        };
        if !request.condition.holds(there.as_ref()) {
            return Ok(Put::Conflict(there));
        }
    }
    Err(failure::of_contention("put"))
}

/// Puts, and has whoever listens be told of what comes after it.
pub(super) async fn put_watched(
    link: &std::sync::Arc<Link>,
    request: &PutRequest,
) -> Result<(Put, Watch)> {
    let put = put(link, request).await?;
    let key = link.address.root.record(&request.key);
    if let Put::Stored(version) = &put
        && let Ok(revision) = i64::try_from(version.to_bits())
    {
        return Ok((put, hearing::record_from(link, &key, revision + 1)));
    }
    let watch = hearing::record(link, &key).await?;
    Ok((self::put(link, request).await?, watch))
}

pub(super) async fn delete(link: &Link, request: &DeleteRequest) -> Result<bool> {
    let key = link.address.root.record(&request.key);
    let operation = link.address.root.operation(request.operation.to_bits());
    let txn = |[memory]: [i64; 1]| TxnRequest {
        compare: [Compare::absent(&operation), Compare::present(&key)]
            .into_iter()
            .chain(holds(&request.condition, &key))
            .collect(),
        success: vec![
            wire::delete(&key),
            wire::put(&operation, Bytes::new(), memory),
        ],
        failure: vec![wire::read(wire::range(&operation))],
    };
    let (answer, _) = grants::txn(link, "delete", [Some(grants::MEMORY)], txn).await?;
    Ok(answer.succeeded || answer.ranges().flatten().next().is_some())
}

pub(super) async fn list(link: &Link, request: &ListRequest) -> Result<Page> {
    let prefix = link.address.root.record(&request.prefix);
    let root = link.address.root.record("");
    let mut page = Page::default();
    let mut from = match &request.after {
        Some(after) if *after >= request.prefix => {
            format!("{}\u{0}", link.address.root.record(after))
        }
        _ => prefix.clone(),
    };
    let end = wire::end_of(&prefix);
    if from.as_bytes() >= &end[..] {
        return Ok(page);
    }
    loop {
        let wanted = request.limit.saturating_sub(page.entries.len());
        let asked = RangeRequest {
            key: wire::bytes(&from),
            range_end: end.clone(),
            limit: i64::try_from(wanted.clamp(1, AT_ONCE)).unwrap_or(1),
            ..RangeRequest::default()
        };
        let found = link.range("list", &asked).await?;
        if wanted == 0 {
            if !found.kvs.is_empty() {
                page.next = page.entries.last().map(|(key, _)| key.clone());
            }
            return Ok(page);
        }
        for kv in found.kvs {
            let key = std::str::from_utf8(&kv.key).ok();
            let key = key.and_then(|key| key.strip_prefix(&root));
            let key = key.ok_or_else(|| failure::of_reply("list"))?.to_owned();
            from = format!("{root}{key}\u{0}");
            page.entries.push((key, entry(link, "list", kv).await?));
        }
        if !found.more {
            return Ok(page);
        }
        if page.entries.len() >= request.limit && request.limit > 0 {
            page.next = page.entries.last().map(|(key, _)| key.clone());
            return Ok(page);
        }
    }
}

async fn entry(link: &Link, operation: &'static str, kv: KeyValue) -> Result<Entry> {
    Ok(Entry {
        expires_in: grants::left(link, operation, kv.lease).await?,
        version: version(kv.mod_revision),
        value: kv.value,
    })
}

fn version(revision: i64) -> Version {
    Version::from_bits(u128::try_from(revision).unwrap_or(0))
}

fn holds(condition: &Condition, key: &str) -> Option<Compare> {
    match condition {
        Condition::Any => None,
        Condition::Absent => Some(Compare::absent(key)),
        Condition::Version(version) => {
            // What is not there counts as written at 0, and nothing as written before that.
            let revision = i64::try_from(version.to_bits()).ok();
            let revision = revision.filter(|revision| *revision > 0).unwrap_or(-1);
            Some(Compare::modified_at(key, revision))
        }
        Condition::Value(value) => Some(Compare::value_is(key, value.clone())),
    }
}
