//! Logs: a key for each entry, with the operation that wrote it in front of its value.
//!
//! An entry is put if there is none, and the one before it is there: so there are no holes. A log that is to end does so
//! with one lease, which is handed on from each entry to the next.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::link::Link;
use super::wire::{self, Compare, KeyValue, RangeRequest, TxnRequest};
use super::{TRIES, failure, grants, keys};
use crate::store::{Append, AppendRequest, Result};

/// How many entries are read, or get another lease, at once.
const AT_ONCE: usize = 100;

pub(super) async fn append(link: &Link, request: &AppendRequest) -> Result<Append> {
    let log = link.address.root.log(&request.log);
    let key = keys::entry(&log, request.expected_len);
    let before = request.expected_len.checked_sub(1);
    let before = before.map(|before| keys::entry(&log, before));
    let mut value = BytesMut::with_capacity(16 + request.entry.len());
    value.put_u128(request.operation.to_bits());
    value.put_slice(&request.entry);
    let value = value.freeze();
    let mut lease = 0;
    for _ in 0..TRIES {
        let mut compare = vec![Compare::absent(&key)];
        let mut failure = vec![
            wire::read(wire::range(&key)),
            wire::read(wire::last_below(&log)),
        ];
        if let Some(before) = &before {
            compare.extend([Compare::present(before), Compare::lease_is(before, lease)]);
            failure.push(wire::read(RangeRequest {
                keys_only: true,
                ..wire::range(before)
            }));
        }
        let txn = TxnRequest {
            compare,
            success: vec![wire::put(&key, value.clone(), lease)],
            failure,
        };
        let answer = match link.txn("append", &txn).await {
            Ok(answer) => answer,
            // The log is ending just now.
            Err(super::link::Failed::LeaseNotFound) => {
                lease = 0;
                continue;
            }
            Err(failed) => return Err(failed.into_error("append")),
        };
        if answer.succeeded {
            return Ok(Append::Appended);
        }
        let mut read = answer.ranges();
        let mut next = || read.next().unwrap_or_default().into_iter().next();
        let (there, last, before) = (next(), next(), next());
        let ours = &value[..16];
        if there
            .as_ref()
            .is_some_and(|there| there.value.starts_with(ours))
        {
            return Ok(Append::Appended);
        }
        let len = last
            .and_then(|last| keys::index(&log, &last.key))
            .map_or(0, |last| last + 1);
        match before {
            Some(before) if there.is_none() && len == request.expected_len => lease = before.lease,
            _ => return Ok(Append::Conflict { len }),
        }
    }
    Err(failure::of_contention("append"))
}

pub(super) async fn read(link: &Link, log: &str, from: u64, limit: usize) -> Result<Vec<Bytes>> {
    let log = link.address.root.log(log);
    let mut entries = Vec::new();
    for_each(link, "read", &log, from, limit, |kv| {
        if kv.value.len() < 16 {
            return Err(failure::of_reply("read"));
        }
        entries.push(kv.value.slice(16..));
        Ok(())
    })
    .await?;
    Ok(entries)
}

async fn for_each(
    link: &Link,
    operation: &'static str,
    log: &str,
    from: u64,
    limit: usize,
    mut each: impl FnMut(KeyValue) -> Result<()>,
) -> Result<()> {
    let mut left = limit;
    let mut next = from;
    while left > 0 {
        let asked = RangeRequest {
            key: wire::bytes(&keys::entry(log, next)),
            range_end: wire::end_of(log),
            limit: i64::try_from(left.min(AT_ONCE)).unwrap_or(1),
            ..RangeRequest::default()
        };
        let found = link.range(operation, &asked).await?;
        let read = found.kvs.len();
        for kv in found.kvs {
            // Entries that have ended in between leave no hole to read across.
            if keys::index(log, &kv.key) != Some(next) {
                return Ok(());
            }
            next += 1;
            each(kv)?;
        }
        left -= read.min(left);
        if !found.more || read == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// From the end, so that whoever appends meanwhile hands the new lease on.
pub(super) async fn expire(link: &Link, log: &str, ttl: Duration) -> Result<()> {
    let log = link.address.root.log(log);
    'anew: for _ in 0..TRIES {
        let lease = grants::lease(link, "expire", Some(ttl)).await?;
        let last = link.range("expire", &wire::last_below(&log)).await?;
        let last = last
            .kvs
            .first()
            .and_then(|last| keys::index(&log, &last.key));
        let Some(last) = last else { return Ok(()) };
        let mut end = last + 1;
        while end > 0 {
            let begin = end.saturating_sub(AT_ONCE as u64);
            let entries: Vec<_> = (begin..end).map(|index| keys::entry(&log, index)).collect();
            let mut compare: Vec<_> = entries.iter().map(|key| Compare::present(key)).collect();
            if end == last + 1 {
                compare.push(Compare::absent(&keys::entry(&log, end)));
            }
            let txn = TxnRequest {
                compare,
                success: entries
                    .iter()
                    .map(|key| wire::put_lease(key, lease))
                    .collect(),
                failure: Vec::new(),
            };
            match link.txn("expire", &txn).await {
                Ok(answer) if answer.succeeded => end = begin,
                // Somebody has appended, or it has ended.
                Ok(_) => continue 'anew,
                Err(super::link::Failed::LeaseNotFound) => {
                    link.grants.forget(&[lease]);
                    continue 'anew;
                }
                Err(failed) => return Err(failed.into_error("expire")),
            }
        }
        return Ok(());
    }
    Err(failure::of_contention("expire"))
}
