//! Records in Redis. What happens on the server stands in `lua/record_*.lua`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, RedisWrite, ToRedisArgs, ToSingleRedisArg, Value};

use super::link::Link;
use super::script::{LARGEST_IN_COMPANY, Script, only, several, write_pieces};
use super::{failure, milliseconds};
use crate::store::batch::Call;
use crate::store::{Condition, DeleteRequest, Entry, Put, PutRequest, Result, Version, Watch};

pub(super) async fn get(link: &Arc<Link>, key: &str) -> Result<Option<Entry>> {
    let command = get_command(link, key);
    let channel = link.names.record_channel(key);
    match link.look(channel, "get", &command).await? {
        Value::Nil => Ok(None),
        reply => found(reply)
            .map(Some)
            .ok_or_else(|| failure::of_reply("get")),
    }
}

pub(super) fn get_command(link: &Link, key: &str) -> Cmd {
    let mut command = link.form().call(Script::RecordGet, 1, 0);
    command.arg(link.names.record(key));
    command
}

pub(super) async fn put(link: &Arc<Link>, request: &PutRequest) -> Result<Put> {
    send_put(link, PutCall::of(request)).await
}

/// Both are stored by the same script call, in this order.
pub(super) async fn put_after(
    link: &Arc<Link>,
    first: &PutRequest,
    request: &PutRequest,
) -> Result<Put> {
    let call = PutCall {
        first: Some(Box::new(first.clone())),
        put: request.clone(),
    };
    send_put(link, call).await
}

async fn send_put(link: &Arc<Link>, call: PutCall) -> Result<Put> {
    if link.batches() && call.bytes() <= LARGEST_IN_COMPANY {
        return link.putting.call(link, call).await;
    }
    let answers = PutCall::send(link, &[call]).await?;
    only(answers, PutCall::OPERATION)
}

/// Subscribes and puts in one round trip, in this order.
pub(super) async fn put_watched(link: &Arc<Link>, request: &PutRequest) -> Result<(Put, Watch)> {
    let call = [PutCall::of(request)];
    let channel = link.names.record_channel(&request.key);
    let (watch, reply) = link
        .watch_and_send(channel, "put", &put_command(link, &call))
        .await?;
    Ok((only(put_answers(&call, reply)?, PutCall::OPERATION)?, watch))
}

/// Storing a record.
pub(super) struct PutCall {
    /// What must be stored before it.
    first: Option<Box<PutRequest>>,
    put: PutRequest,
}

impl PutCall {
    fn of(request: &PutRequest) -> Self {
        Self {
            first: None,
            put: request.clone(),
        }
    }

    /// What is stored, in order.
    fn puts(&self) -> impl Iterator<Item = &PutRequest> {
        self.first.as_deref().into_iter().chain([&self.put])
    }

    fn bytes(&self) -> usize {
        self.puts().map(|put| put.value.len()).sum()
    }
}

impl Call for PutCall {
    type Link = Link;
    const OPERATION: &'static str = "put";
    type Answer = Put;

    async fn send(link: &Arc<Link>, calls: &[Self]) -> Result<Vec<Result<Put>>> {
        put_answers(calls, link.send("put", &put_command(link, calls)).await?)
    }
}

fn put_command(link: &Link, calls: &[PutCall]) -> Cmd {
    let values = calls.iter().map(PutCall::bytes).sum();
    let count = calls.iter().flat_map(PutCall::puts).count();
    let (keys, arguments) = (1 + count, 3 * count);
    let mut command = link
        .form()
        .call_with(Script::RecordPut, keys, arguments, values);
    command.arg(&link.names.index);
    for put in calls.iter().flat_map(PutCall::puts) {
        command.arg(link.names.record(&put.key));
    }
    for call in calls {
        if let Some(first) = &call.first {
            add(&mut command, first, true);
        }
        add(&mut command, &call.put, false);
    }
    command
}

/// One of those to be stored, and whether the next one is stored only if this one was.
fn add(command: &mut Cmd, put: &PutRequest, leads: bool) {
    command.arg(Written(put)).arg(ConditionArg {
        tells: tells(put, leads),
        condition: &put.condition,
    });
    match put.ttl {
        Some(ttl) => command.arg(milliseconds(ttl)),
        None => command.arg(""),
    };
}

fn put_answers(calls: &[PutCall], replies: Value) -> Result<Vec<Result<Put>>> {
    let mut replies = several(replies).into_iter();
    let answers: Vec<_> = calls
        .iter()
        .map(|call| {
            if let Some(first) = &call.first {
                let answer = put_answer(first, &mut replies)?;
                if matches!(answer, Put::Conflict(_)) {
                    return Ok(answer);
                }
            }
            put_answer(&call.put, &mut replies)
        })
        .collect();
    if replies.next().is_some() {
        return Err(failure::of_reply("put"));
    }
    Ok(answers)
}

/// The answer to one put: what comes next in the reply, and if that is a record, what it has left.
fn put_answer(put: &PutRequest, replies: &mut impl Iterator<Item = Value>) -> Result<Put> {
    match replies.next() {
        Some(Value::Int(1)) => Ok(Put::Stored(put.operation.into())),
        Some(Value::Int(0)) => Ok(Put::Conflict(None)),
        Some(Value::BulkString(record)) => match replies.next() {
            Some(Value::Int(expires_in)) => entry(record, expires_in).map(Some).map(Put::Conflict),
            _ => None,
        }
        .ok_or_else(|| failure::of_reply("put")),
        _ => Err(failure::of_reply("put")),
    }
}

pub(super) async fn delete(link: &Arc<Link>, request: &DeleteRequest) -> Result<bool> {
    let mut command = link.form().call(Script::RecordDelete, 2, 4);
    command
        .arg(link.names.record(&request.key))
        .arg(&link.names.index)
        .arg(&request.operation.to_bits().to_be_bytes()[..])
        .arg(ConditionArg {
            tells: b"",
            condition: &request.condition,
        })
        .arg(&request.key)
        .arg(link.names.record_channel(&request.key));
    let deleted: i64 = link.send("delete", &command).await?;
    Ok(deleted == 1)
}

/// An entry from what the script tells of a record that is there.
pub(super) fn found(found: Value) -> Option<Entry> {
    let Value::Array(parts) = found else {
        return None;
    };
    match <[Value; 2]>::try_from(parts).ok()? {
        [Value::Int(expires_in), Value::BulkString(record)] => entry(record, expires_in),
        _ => None,
    }
}

/// An entry from a record as it is stored, and the milliseconds that it has left, or -1.
fn entry(record: Vec<u8>, expires_in: i64) -> Option<Entry> {
    let record = Bytes::from(record);
    let version: [u8; 16] = record.get(1..17)?.try_into().ok()?;
    let begins_at = 18 + 16 * usize::from(*record.get(17)?);
    Some(Entry {
        value: (begins_at <= record.len()).then(|| record.slice(begins_at..))?,
        version: Version::from_bits(u128::from_be_bytes(version)),
        expires_in: u64::try_from(expires_in).ok().map(Duration::from_millis),
    })
}

/// A record as it is to be stored, with the earlier operations that its condition tells.
struct Written<'a>(&'a PutRequest);

impl ToRedisArgs for Written<'_> {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        let Self(put) = self;
        let operation = put.operation.to_bits().to_be_bytes();
        match put.condition {
            Condition::Version(version) => {
                let version = version.to_bits().to_be_bytes();
                write_pieces(
                    out,
                    [b"L".as_slice(), &operation, &[1], &version, &put.value],
                );
            }
            _ => write_pieces(out, [b"L".as_slice(), &operation, &[0], &put.value]),
        }
    }
}

impl ToSingleRedisArg for Written<'_> {}

/// Whom a put is to tell, and whether the next one is stored only if this one was, as the script reads it.
fn tells(put: &PutRequest, leads: bool) -> &'static [u8] {
    match (put.listed, put.quiet, leads) {
        (false, true, false) => b"0",
        (true, true, false) => b"1",
        (false, false, false) => b"2",
        (true, false, false) => b"3",
        (false, true, true) => b"4",
        (true, true, true) => b"5",
        (false, false, true) => b"6",
        (true, false, true) => b"7",
    }
}

/// A condition as the scripts read it: a letter, whom to tell, and what it compares with.
struct ConditionArg<'a> {
    tells: &'static [u8],
    condition: &'a Condition,
}

impl ToRedisArgs for ConditionArg<'_> {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        let of_version;
        let (letter, compared): (&[u8], &[u8]) = match self.condition {
            Condition::Any => (b"n", b""),
            Condition::Absent => (b"a", b""),
            Condition::Version(version) => {
                of_version = version.to_bits().to_be_bytes();
                (b"v", &of_version)
            }
            Condition::Value(value) => (b"e", value),
        };
        write_pieces(out, [letter, self.tells, compared]);
    }
}

impl ToSingleRedisArg for ConditionArg<'_> {}
