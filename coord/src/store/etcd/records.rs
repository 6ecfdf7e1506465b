//! Records: a key each, with the value as it is. The version is the revision of the last write.
//!
//! Each write puts a key of its own beside it, which stays for a minute and more: whoever sends the same again finds it,
//! and the revision at which it was created.

use bytes::Bytes;

use super::link::Link;
use super::wire::{self, Compare, KeyValue, RangeRequest, TxnRequest, TxnResponse};
use super::{TRIES, failure, grants, hearing};
use crate::store::{
    Condition, DeleteRequest, Entry, ListRequest, Page, Put, PutRequest, Result, Version, Watch,
};

/// The most records that are asked for at once: a value can have a mebibyte.
const AT_ONCE: usize = 100;
/// A value up to this goes along with another one, without both being more than the servers take at once.
pub(super) const SMALL: usize = 4 * 1024;

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
        let (done, there) = before(link, answer).await?;
        if let Some(done) = done {
            return Ok(Put::Stored(done));
        }
        if !request.condition.holds(there.as_ref()) {
            return Ok(Put::Conflict(there));
        }
    }
    Err(failure::of_contention("put"))
}

/// Puts the one and then the other, in one transaction if both go.
pub(super) async fn put_after(
    link: &Link,
    first: &PutRequest,
    request: &PutRequest,
) -> Result<Put> {
    let puts = [first, request];
    let keys = puts.map(|put| link.address.root.record(&put.key));
    let operations = puts.map(|put| link.address.root.operation(put.operation.to_bits()));
    let ttls = [first.ttl, request.ttl, Some(grants::MEMORY)];
    let txn = |[one, other, memory]: [i64; 3]| TxnRequest {
        compare: operations
            .iter()
            .map(|operation| Compare::absent(operation))
            .chain(holds(&first.condition, &keys[0]))
            .chain(holds(&request.condition, &keys[1]))
            .collect(),
        success: vec![
            wire::put(&keys[0], first.value.clone(), one),
            wire::put(&operations[0], Bytes::new(), memory),
            wire::put(&keys[1], request.value.clone(), other),
            wire::put(&operations[1], Bytes::new(), memory),
        ],
        failure: vec![
            wire::read(wire::range(&operations[1])),
            wire::read(wire::range(&keys[1])),
        ],
    };
    let (answer, _) = grants::txn(link, "put", ttls, txn).await?;
    if answer.succeeded {
        return Ok(Put::Stored(version(answer.revision())));
    }
    let (done, there) = before(link, answer).await?;
    if let Some(done) = done {
        return Ok(Put::Stored(done));
    }
    match put(link, first).await? {
        Put::Stored(_) if request.condition.holds(there.as_ref()) => put(link, request).await,
        Put::Stored(_) => Ok(Put::Conflict(there)),
        conflict @ Put::Conflict(_) => Ok(conflict),
    }
}

/// What a put that was not done has read: the version it gave when it was done before, and what is there.
async fn before(link: &Link, answer: TxnResponse) -> Result<(Option<Version>, Option<Entry>)> {
    let mut read = answer.ranges();
    let mut next = || read.next().unwrap_or_default().into_iter().next();
    let (before, there) = (next(), next());
    let done = before.map(|before| version(before.create_revision));
    let there = match there {
        Some(there) if done.is_none() => Some(entry(link, "put", there).await?),
        _ => None,
    };
    Ok((done, there))
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
