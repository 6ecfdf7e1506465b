//! Records in Redis. What happens on the server stands in `lua/record_*.lua`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, FromRedisValue, Pipeline, Value};

use super::link::{Connection, Link};
use super::script::Script;
use super::{failure, milliseconds};
use crate::store::{
    Condition, DeleteRequest, Entry, ListRequest, Page, Put, PutRequest, Result, Version,
};

/// The names of the records that are listed, in order.
const INDEX: &str = "{coord}:index";
/// How many names are looked at in one round trip.
const PAGE: usize = 250;

pub(super) async fn get(link: &Arc<Link>, key: &str) -> Result<Option<Entry>> {
    let mut command = Script::RecordGet.call(1);
    command.arg(name(key));
    let found: Option<Found> = link.send("get", &command).await?;
    found.map(|found| entry(found, "get")).transpose()
}

pub(super) async fn put(link: &Arc<Link>, request: &PutRequest) -> Result<Put> {
    let mut command = Script::RecordPut.call(2);
    command
        .arg(name(&request.key))
        .arg(INDEX)
        .arg(&request.operation.to_bits().to_be_bytes()[..]);
    add_condition(&mut command, &request.condition);
    command.arg(&request.value[..]);
    match request.ttl {
        Some(ttl) => command.arg(milliseconds(ttl)),
        None => command.arg(""),
    };
    command
        .arg(if request.listed {
            request.key.as_str()
        } else {
            ""
        })
        .arg(channel(&request.key));
    let reply: Vec<Value> = link.send("put", &command).await?;
    match &*reply {
        [Value::Int(1)] => Ok(Put::Stored(request.operation.into())),
        [Value::Int(0)] => Ok(Put::Conflict(None)),
        [Value::Int(0), ..] => {
            let found = Found::from_redis_value(Value::Array(reply[1..].to_vec()))
                .map_err(|_| failure::of_reply("put"))?;
            Ok(Put::Conflict(Some(entry(found, "put")?)))
        }
        _ => Err(failure::of_reply("put")),
    }
}

pub(super) async fn delete(link: &Arc<Link>, request: &DeleteRequest) -> Result<bool> {
    let mut command = Script::RecordDelete.call(2);
    command
        .arg(name(&request.key))
        .arg(INDEX)
        .arg(&request.operation.to_bits().to_be_bytes()[..]);
    add_condition(&mut command, &request.condition);
    command.arg(&request.key).arg(channel(&request.key));
    let deleted: i64 = link.send("delete", &command).await?;
    Ok(deleted == 1)
}

/// Two round trips a page: the names, then what is stored. Names of records that have expired are taken out
/// of the index on the way.
pub(super) async fn list(link: &Arc<Link>, request: &ListRequest) -> Result<Page> {
    let connection = link.current().await?;
    let mut page = Page::default();
    let mut after = request
        .after
        .clone()
        .filter(|after| *after >= request.prefix);
    while page.entries.len() < request.limit {
        let wanted = (request.limit - page.entries.len()).min(PAGE);
        let mut names = names(&connection, &request.prefix, after.as_deref(), wanted + 1).await?;
        let more = names.len() > wanted;
        names.truncate(wanted);
        after = names.last().cloned();
        read(&connection, names, &mut page.entries).await?;
        if !more {
            return Ok(page);
        }
    }
    page.next = after;
    Ok(page)
}

async fn names(
    connection: &Connection,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>> {
    let from = after.map_or_else(|| format!("[{prefix}"), |after| format!("({after}"));
    // No UTF-8 text has this byte, so it comes after every name with the prefix.
    let to = [b"[", prefix.as_bytes(), b"\xff"].concat();
    let mut command = redis::cmd("ZRANGEBYLEX");
    command
        .arg(INDEX)
        .arg(from)
        .arg(to)
        .arg("LIMIT")
        .arg(0)
        .arg(limit);
    connection.send("list", &command).await
}

async fn read(
    connection: &Connection,
    names: Vec<String>,
    into: &mut Vec<(String, Entry)>,
) -> Result<()> {
    let mut pipeline = Pipeline::with_capacity(names.len());
    for key in &names {
        let mut command = Script::RecordGet.call(1);
        command.arg(name(key));
        pipeline.add_command(command);
    }
    if names.is_empty() {
        return Ok(());
    }
    let mut expired = Pipeline::new();
    for (key, reply) in names
        .into_iter()
        .zip(connection.send_all("list", &pipeline).await?)
    {
        match reply {
            Value::ServerError(error) => return Err(connection.failed("list", &error.into())),
            Value::Nil => {
                let mut command = Script::RecordUnlist.call(2);
                command.arg(name(&key)).arg(INDEX).arg(key);
                expired.add_command(command);
            }
            found => {
                let found =
                    Found::from_redis_value(found).map_err(|_| failure::of_reply("list"))?;
                into.push((key, entry(found, "list")?));
            }
        }
    }
    if !expired.is_empty() {
        connection.send_all("list", &expired).await?;
    }
    Ok(())
}

/// Version, milliseconds left or -1, value.
type Found = (Vec<u8>, i64, Vec<u8>);

fn entry((version, expires_in, value): Found, operation: &'static str) -> Result<Entry> {
    let version: [u8; 16] = version
        .try_into()
        .map_err(|_| failure::of_reply(operation))?;
    Ok(Entry {
        value: Bytes::from(value),
        version: Version::from_bits(u128::from_be_bytes(version)),
        expires_in: u64::try_from(expires_in).ok().map(Duration::from_millis),
    })
}

fn add_condition(command: &mut Cmd, condition: &Condition) {
    match condition {
        Condition::Any => command.arg("any").arg(""),
        Condition::Absent => command.arg("absent").arg(""),
        Condition::Version(version) => command
            .arg("version")
            .arg(&version.to_bits().to_be_bytes()[..]),
        Condition::Value(value) => command.arg("value").arg(&value[..]),
    };
}

fn name(key: &str) -> String {
    ["{coord:", key, "}:record"].concat()
}

/// The channel that tells of changes of a record.
pub(super) fn channel(key: &str) -> String {
    ["coord:record:", key].concat()
}
