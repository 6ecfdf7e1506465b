//! Logs over records: one record per entry, put only if absent, so that of two writers one conflicts.
//! Each write makes sure that the entry before is there, so the log has no holes, although a listing of it may.

use std::time::Duration;

use bytes::Bytes;

use super::super::{
    Append, AppendRequest, Condition, Entry, ListRequest, Put, PutRequest, Result, Store, limits,
};
use super::in_part;

const PAGE: usize = 200;

pub(in crate::store) async fn append<S: Store + ?Sized>(
    store: &S,
    request: &AppendRequest,
) -> Result<Append> {
    request.check()?;
    let expected = request.expected_len;
    // A log that is to expire does so with what is appended meanwhile.
    let mut ttl = None;
    if let Some(last) = expected.checked_sub(1) {
        let Some(last) = store.get_record(&entry_key(&request.log, last)).await? else {
            let len = len(store, &request.log).await?;
            return Ok(Append::Conflict { len });
        };
        ttl = last.expires_in;
    }
    let put = PutRequest {
        operation: request.operation,
        ..PutRequest::new(entry_key(&request.log, expected), request.entry.clone())
            .when(Condition::Absent)
            .ttl(ttl)
            .listed()
    };
    match store.put_record(&put).await? {
        Put::Stored(_) => Ok(Append::Appended),
        Put::Conflict(_) => Ok(Append::Conflict {
            len: len(store, &request.log).await?,
        }),
    }
}

pub(in crate::store) async fn read<S: Store + ?Sized>(
    store: &S,
    log: &str,
    from: u64,
    limit: usize,
) -> Result<Vec<Bytes>> {
    limits::check_name("read", log)?;
    let entries = without_holes(store, log, from, limit).await?;
    Ok(entries.map(|(_, entry)| entry.value).collect())
}

pub(in crate::store) async fn expire<S: Store + ?Sized>(
    store: &S,
    log: &str,
    ttl: Duration,
) -> Result<()> {
    limits::check_name("expire", log)?;
    limits::check_ttl("expire", ttl)?;
    // From the end, so that what is left of the log while it disappears is still its beginning.
    let entries = entries(store, log, 0, usize::MAX).await?;
    for (done, (key, entry)) in entries.into_iter().rev().enumerate() {
        let put = PutRequest::new(key, entry.value)
            .when(Condition::Version(entry.version))
            .ttl(ttl)
            .listed();
        let put = store.put_record(&put).await;
        put.map_err(|error| if done == 0 { error } else { in_part(error) })?;
    }
    Ok(())
}

async fn len<S: Store + ?Sized>(store: &S, log: &str) -> Result<u64> {
    let entries = without_holes(store, log, 0, usize::MAX).await?;
    Ok(entries.count() as u64)
}

/// The entries up to the first that is missing. A listing is not of one moment: one that is just being appended may not be
/// in it, and the next one is.
async fn without_holes<S: Store + ?Sized>(
    store: &S,
    log: &str,
    from: u64,
    limit: usize,
) -> Result<impl Iterator<Item = (String, Entry)>> {
    let found = entries(store, log, from, limit).await?;
    let in_order = (from..=u64::MAX).zip(found);
    Ok(in_order
        .take_while(|(index, (key, _))| *key == entry_key(log, *index))
        .map(|(_, entry)| entry))
}

async fn entries<S: Store + ?Sized>(
    store: &S,
    log: &str,
    from: u64,
    limit: usize,
) -> Result<Vec<(String, Entry)>> {
    let mut found = Vec::new();
    let mut request = ListRequest::new(entry_prefix(log));
    if let Some(before) = from.checked_sub(1) {
        request = request.after(entry_key(log, before));
    }
    while found.len() < limit {
        let page = store
            .list_records(&request.clone().limit(PAGE.min(limit - found.len())))
            .await?;
        found.extend(page.entries);
        match page.next {
            Some(next) => request = request.after(next),
            None => break,
        }
    }
    Ok(found)
}

fn entry_prefix(log: &str) -> String {
    format!("{log}\u{0}log/")
}

/// Twelve digits, so that the order of the keys is the order of the entries.
fn entry_key(log: &str, index: u64) -> String {
    format!("{}{index:012}", entry_prefix(log))
}
