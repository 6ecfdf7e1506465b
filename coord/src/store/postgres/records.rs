//! Records. What happens on the server stands in `sql/records.sql`.

use std::sync::Arc;

use bytes::Bytes;
use tokio_postgres::{Error as PostgresError, Row};

use super::job::Job;
use super::link::{Link, WATCH_LASTS, hex};
use super::lock::Subject;
use super::statement::{Parameter, Statement};
use super::{duration, failure, microseconds};
use crate::store::{
    Condition, DeleteRequest, Entry, ListRequest, Page, Put, PutRequest, Result, Version, Watch,
};

pub(super) async fn get(link: &Arc<Link>, key: &str) -> Result<Option<Entry>> {
    let rows = link
        .read("get", Statement::RecordGet, &[key.into()])
        .await?;
    let entry = rows.first().map(|row| entry(row, 0)).transpose();
    entry
        .map(Option::flatten)
        .map_err(|_| failure::of_reply("get"))
}

pub(super) async fn put(link: &Arc<Link>, request: &PutRequest) -> Result<Put> {
    put_and_hear(link, request, None).await
}

/// Registers and puts in one round trip, in this order.
pub(super) async fn put_watched(link: &Arc<Link>, request: &PutRequest) -> Result<(Put, Watch)> {
    link.hearing().await?;
    let topic = hex(&Subject::Record.topic(&request.key)).into();
    let watch = link.wakes.watch(&topic);
    let put = put_and_hear(link, request, Some(&link.channel)).await?;
    Ok((put, watch))
}

async fn put_and_hear(
    link: &Arc<Link>,
    request: &PutRequest,
    listener: Option<&Arc<str>>,
) -> Result<Put> {
    let listening = [
        listener.map_or(Parameter::Null, |name| Parameter::Text(name.to_string())),
        microseconds(WATCH_LASTS).into(),
    ];
    let parameters = written(request).into_iter().chain(listening);
    let lock = lock(link, &request.key);
    let row = Job::new("put", Statement::RecordPut, lock, parameters)
        .run(link)
        .await?;
    put_answer(request, &row).map_err(|_| failure::of_reply("put"))
}

pub(super) async fn put_after(
    link: &Arc<Link>,
    first: &PutRequest,
    request: &PutRequest,
) -> Result<Put> {
    let (first_lock, lock) = (lock(link, &first.key), lock(link, &request.key));
    let parameters = written(first)
        .into_iter()
        .chain([Parameter::Number(lock)])
        .chain(written(request));
    let row = Job::new("put", Statement::RecordPutAfter, first_lock, parameters)
        .also_locking(lock)
        .run(link)
        .await?;
    put_answer(request, &row).map_err(|_| failure::of_reply("put"))
}

/// What a put is, to the server.
fn written(request: &PutRequest) -> [Parameter; 7] {
    let (condition, compared) = parameters(&request.condition);
    [
        request.key.as_str().into(),
        request.value.clone().into(),
        condition,
        compared,
        request.ttl.map(microseconds).into(),
        request.operation.to_bits().into(),
        Parameter::Flag(!request.quiet),
    ]
}

fn put_answer(request: &PutRequest, row: &Row) -> std::result::Result<Put, PostgresError> {
    Ok(if row.try_get(0)? {
        Put::Stored(request.operation.into())
    } else {
        Put::Conflict(entry(row, 1)?)
    })
}

pub(super) async fn delete(link: &Arc<Link>, request: &DeleteRequest) -> Result<bool> {
    let (condition, compared) = parameters(&request.condition);
    let parameters = [
        request.key.as_str().into(),
        condition,
        compared,
        request.operation.to_bits().into(),
    ];
    let lock = lock(link, &request.key);
    let row = Job::new("delete", Statement::RecordDelete, lock, parameters)
        .run(link)
        .await?;
    row.try_get(0).map_err(|_| failure::of_reply("delete"))
}

/// Passes over what was deleted within the last minute, or has expired and is not swept yet, and over nothing else.
pub(super) async fn list(link: &Arc<Link>, request: &ListRequest) -> Result<Page> {
    let limit = i64::try_from(request.limit.saturating_add(1)).unwrap_or(i64::MAX);
    let parameters = [
        request.after.as_deref().unwrap_or("").into(),
        request.prefix.as_str().into(),
        end_of(&request.prefix).into(),
        limit.into(),
    ];
    let rows = link
        .read("list", Statement::RecordList, &parameters)
        .await?;
    let mut page = Page::default();
    for row in &rows {
        if page.entries.len() == request.limit {
            page.next = page.entries.last().map(|(key, _)| key.clone());
            break;
        }
        page.entries
            .push(listed(row).ok_or_else(|| failure::of_reply("list"))?);
    }
    Ok(page)
}

/// One whose value is there, which is all that are asked for.
fn listed(row: &Row) -> Option<(String, Entry)> {
    let key = String::from_utf8(row.try_get(3).ok()?).ok()?;
    Some((key, entry(row, 0).ok()??))
}

/// What is behind every text with this prefix, and before every other text behind them.
pub(super) fn end_of(prefix: &str) -> Bytes {
    let mut end = prefix.as_bytes().to_vec();
    // No UTF-8 text has the byte that would carry over, and every one comes before it.
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end.push(u8::MAX),
    }
    end.into()
}

/// Reads value, version and remaining time, from a column on. There is none if there is no value.
fn entry(row: &Row, at: usize) -> std::result::Result<Option<Entry>, PostgresError> {
    let Some(value) = row.try_get::<_, Option<&[u8]>>(at)? else {
        return Ok(None);
    };
    let version = row.try_get::<_, &[u8]>(at + 1)?;
    let bits = version
        .iter()
        .fold(0, |bits, byte| (bits << 8) | u128::from(*byte));
    let expires_in: Option<i64> = row.try_get(at + 2)?;
    Ok(Some(Entry {
        value: Bytes::copy_from_slice(value),
        version: Version::from_bits(bits),
        expires_in: expires_in.map(duration),
    }))
}

/// A condition as the functions read it: its number, and what it compares with.
fn parameters(condition: &Condition) -> (Parameter, Parameter) {
    let (number, compared) = match condition {
        Condition::Any => (0, Parameter::Null),
        Condition::Absent => (1, Parameter::Null),
        Condition::Version(version) => (2, version.to_bits().into()),
        Condition::Value(value) => (3, value.clone().into()),
    };
    (Parameter::Small(number), compared)
}

fn lock(link: &Link, key: &str) -> i64 {
    Subject::Record.lock(link.schema.name(), key.as_bytes())
}
