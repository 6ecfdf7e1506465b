//! Leases in Redis. What happens on the server stands in `lua/lease_*.lua` and `lua/line.lua`.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::{Cmd, RedisWrite, ToRedisArgs, ToSingleRedisArg, Value};

use super::link::Link;
use super::names::Name;
use super::past::Note;
use super::replicas::replicated;
use super::script::{Form, Script, only, several, write_pieces};
use super::{failure, milliseconds};
use crate::error::{StoreError, StoreErrorKind};
use crate::key::Renderer;
use crate::store::batch::{self, Call};
use crate::store::renewing::Parts;
use crate::store::standing::{Standing, parse_owner};
use crate::store::{
    Acquired, Contender, FencingToken, LeaseId, LeaseRequest, OwnerId, Renewal, Renewed, Result,
    Watch,
};

/// How often the epoch is learnt again within one request before the server is called too restless.
const EPOCHS_PER_REQUEST: usize = 5;

pub(super) async fn acquire(link: &Arc<Link>, request: &LeaseRequest) -> Result<Acquired> {
    if let Some(Note::Released(_)) = link.past.of(&request.lease) {
        return Ok(Acquired::Busy);
    }
    let call = AcquireCall::new(request);
    let doubt = link.past.doubt(&request.lease);
    // A floor moves the tokens of everybody, so nobody else's call goes along.
    let standing = match request.token_floor {
        None if link.batches() => link.acquiring.call(link, call).await?,
        _ => only(AcquireCall::send(link, &[call]).await?, "acquire")?,
    };
    doubt.settle();
    // A grant that came since the reply is kept for this.
    let wake = || link.wakes.wait_in_line(request.lease.owner);
    if !matches!(standing, Standing::Waiting { .. }) {
        return Ok(standing.acquired(wake));
    }
    let wake = wake();
    let hears = Box::pin(link.hear_grants()).await.is_ok();
    Ok(standing.acquired(|| {
        if hears {
            wake
        } else {
            Watch::any_of([wake, Watch::polling()])
        }
    }))
}

/// One round trip for all that are within the limits; the others are refused by themselves. `link_of` says by which link a
/// resource is reached. In a cluster, those of a node that hangs are given up while the others' leases last.
pub(super) async fn renew<'a>(
    link_of: impl Fn(&str) -> &'a Arc<Link>,
    renewals: &[Renewal],
) -> Vec<Result<Renewed>> {
    let checked: Vec<_> = renewals
        .iter()
        .map(|renewal| renewal.check().map(|()| renewal))
        .collect();
    let sent: Vec<_> = checked.iter().flatten().copied().collect();
    let batches = batches_of(link_of, &sent);
    let limits = Parts::of(sent.iter().copied());
    let answers = join_all(batches.iter().map(|(link, batch)| {
        let renewed = renew_batch(link, batch);
        limits.ask(batch.len(), "the server of the lease", renewed)
    }));
    let mut answers = answers.await.into_iter().flatten();
    let mut answer = || {
        answers
            .next()
            .unwrap_or_else(|| Err(failure::of_reply("renew")))
    };
    checked
        .into_iter()
        .map(|checked| checked.and_then(|_| answer()))
        .collect()
}

/// What is sent together: as much as one script call carries, and in a cluster one renewal.
fn batches_of<'a, 'r>(
    link_of: impl Fn(&str) -> &'a Arc<Link>,
    renewals: &'r [&'r Renewal],
) -> Vec<(&'a Arc<Link>, &'r [&'r Renewal])> {
    let link_of = |batch: &[&Renewal]| batch.first().map(|first| link_of(&first.lease.resource));
    let size = match link_of(renewals) {
        Some(link) if link.batches() => batch::LARGEST,
        _ => 1,
    };
    let batches = renewals.chunks(size);
    batches
        .filter_map(|batch| Some((link_of(batch)?, batch)))
        .collect()
}

async fn renew_batch(link: &Arc<Link>, batch: &[&Renewal]) -> Vec<Result<Renewed>> {
    let held = |answer: &Result<_>| matches!(answer, Ok(Renewed::Granted(_)));
    let is_held = |answers: &Vec<Result<_>>| answers.iter().any(held);
    let answers = replicated(link, "renew", send_renewals(link, batch), is_held).await;
    answers.unwrap_or_else(|error| vec![Err(error); batch.len()])
}

async fn send_renewals(link: &Arc<Link>, batch: &[&Renewal]) -> Result<Vec<Result<Renewed>>> {
    let leases = batch.iter().map(|renewal| &renewal.lease);
    let mut command = lease_command(link, Script::LeaseRenew, leases);
    for Renewal {
        lease,
        ttl,
        wait_ttl,
    } in batch
    {
        command
            .arg(&holder_mark(lease.owner)[..])
            .arg(milliseconds(*ttl))
            .arg(milliseconds(*wait_ttl));
    }
    let replies: Vec<Value> = link.send("renew", &command).await?;
    let answers: Vec<Result<Renewed>> = replies
        .iter()
        .map(|reply| {
            let standing = Standing::parse(reply, 0).ok_or_else(|| failure::of_reply("renew"))?;
            Ok(standing.renewed())
        })
        .collect();
    let waits = |answer: &Result<_>| matches!(answer, Ok(Renewed::Waiting { .. }));
    if answers.iter().any(waits) {
        Box::pin(link.hear_grants()).await?;
    }
    if answers.len() == batch.len() {
        Ok(answers)
    } else {
        Err(failure::of_reply("renew"))
    }
}

pub(super) async fn release(link: &Arc<Link>, lease: &LeaseId) -> Result<bool> {
    let is_doubtful = match link.past.of(lease) {
        Some(Note::Released(answer)) => return Ok(answer),
        Some(Note::Doubtful) => true,
        None => false,
    };
    let doubt = link.past.doubt(lease);
    let call = || ReleaseCall(lease.clone());
    let answer = if is_doubtful {
        release_late(link, lease).await?
    } else if link.batches() {
        link.releasing.call(link, call()).await?
    } else {
        only(ReleaseCall::send(link, &[call()]).await?, "release")?
    };
    // One who was not in line may have been released by the same request, sent twice at a time.
    let answer = answer || !is_doubtful && release_by_another(link, lease).await?;
    doubt.settle();
    Ok(answer)
}

/// Whether another request that is or was under way at the same time has released it.
async fn release_by_another(link: &Arc<Link>, lease: &LeaseId) -> Result<bool> {
    // What was answered is noted before its receipt is given back.
    if link.receipts.unsettled().is_empty() {
        return Ok(link.past.of(lease) == Some(Note::Released(true)));
    }
    release_late(link, lease).await
}

/// Releases one of whom another request may have been done before, or may yet come.
async fn release_late(link: &Arc<Link>, lease: &LeaseId) -> Result<bool> {
    let receipts = link.receipts.unsettled();
    if let Some(Note::Released(true)) = link.past.of(lease) {
        return Ok(true);
    }
    let receipt = link.receipts.take();
    let line = line_keys(link, [lease]);
    let keys = 3 + receipts.len() + line.len();
    let mut command = link.form().call(Script::LeaseReleaseLate, keys, 1);
    command
        .arg(&link.names.tokens)
        .arg(link.names.lease(&lease.resource))
        .arg(receipt.name())
        .arg(receipts)
        .arg(line)
        .arg(&holder_mark(lease.owner)[..]);
    let answer = link.send("release", &command).await?;
    link.past.note(lease, Note::Released(answer));
    receipt.settle();
    Ok(answer)
}

/// Entering a line.
pub(super) struct AcquireCall {
    lease: LeaseId,
    weight: u32,
    capacity: u32,
    label: String,
    ttl: u64,
    wait_ttl: Option<u64>,
    token_floor: Option<FencingToken>,
}

impl AcquireCall {
    fn new(request: &LeaseRequest) -> Self {
        let label = match &*request.label {
            "" => String::new(),
            label => Renderer::encoded(label),
        };
        Self {
            lease: request.lease.clone(),
            weight: request.weight,
            capacity: request.capacity,
            label,
            ttl: milliseconds(request.ttl),
            wait_ttl: request.wait_ttl.map(milliseconds),
            token_floor: request.token_floor,
        }
    }
}

impl Call for AcquireCall {
    type Link = Link;
    const OPERATION: &'static str = "acquire";
    type Answer = Standing;

    async fn send(link: &Arc<Link>, calls: &[Self]) -> Result<Vec<Result<Standing>>> {
        for _ in 0..EPOCHS_PER_REQUEST {
            let connection = link.current().await?;
            let epoch = link.epoch(&connection);
            if epoch == 0 {
                Box::pin(link.relearn("acquire", &connection)).await?;
                continue;
            }
            let leases = calls.iter().map(|call| &call.lease);
            let mut command = lease_command(link, Script::LeaseAcquire, leases);
            let floor = calls.iter().find_map(|call| call.token_floor);
            command.arg(epoch).arg(Common {
                floor,
                channel: &link.names.channel,
            });
            for call in calls {
                command.arg(Holder { call, epoch }).arg(call.ttl);
            }
            let reply = link.send_through(&connection, "acquire", &command).await?;
            if let Some(answers) = standings(reply, calls.len(), epoch) {
                return Ok(answers);
            }
            // Those that were done already answer the same when they are sent again.
            Box::pin(link.relearn("acquire", &connection)).await?;
        }
        Err(StoreError::new(
            StoreErrorKind::NotApplied,
            "acquire",
            "the server keeps losing its data",
        ))
    }
}

/// Leaving a line.
pub(super) struct ReleaseCall(LeaseId);

impl Call for ReleaseCall {
    type Link = Link;
    const OPERATION: &'static str = "release";
    type Answer = bool;

    async fn send(link: &Arc<Link>, calls: &[Self]) -> Result<Vec<Result<bool>>> {
        let receipt = link.receipts.take();
        let line = line_keys(link, calls.iter().map(|Self(lease)| lease));
        let keys = 2 + calls.len() + line.len();
        let mut command = link.form().call(Script::LeaseRelease, keys, calls.len());
        command.arg(&link.names.tokens).arg(receipt.name());
        for Self(lease) in calls {
            command.arg(link.names.lease(&lease.resource));
        }
        command.arg(line);
        for Self(lease) in calls {
            command.arg(&holder_mark(lease.owner)[..]);
        }
        let replies = match link.send("release", &command).await? {
            Value::Int(1) => vec![Value::Int(1); calls.len()],
            replies => several(replies),
        };
        let answers = calls.iter().zip(replies).map(|(Self(lease), reply)| {
            let answer = match reply {
                Value::Int(1) => true,
                Value::Int(0) => false,
                _ => return Err(failure::of_reply("release")),
            };
            // Noted here, and not by the caller, which may not be there any more.
            link.past.note(lease, Note::Released(answer));
            Ok(answer)
        });
        let answers = answers.collect();
        receipt.settle();
        Ok(answers)
    }
}

pub(super) async fn inspect(link: &Arc<Link>, resource: &str) -> Result<Vec<Contender>> {
    let lease = LeaseId {
        resource: resource.into(),
        owner: OwnerId::from_bits(0),
    };
    let command = lease_command(link, Script::LeaseInspect, [&lease].into_iter());
    let rows: Vec<(Vec<u8>, String, String, String, String, i64)> =
        link.send("inspect", &command).await?;
    rows.into_iter()
        .map(|(owner, state, weight, label, token, expires_in)| {
            Some(Contender {
                owner: parse_owner(&owner)?,
                label: Renderer::decoded(&label)?.into(),
                token: parse_token(&token)?,
                weight: weight.parse().ok()?,
                granted: state == "h",
                expires_in: Duration::from_millis(expires_in.try_into().unwrap_or(0)),
            })
        })
        .collect::<Option<_>>()
        .ok_or_else(|| failure::of_reply("inspect"))
}

/// A call with the tokens and the leases as keys, and a few arguments for each lease.
fn lease_command<'a>(
    link: &Link,
    script: Script,
    leases: impl ExactSizeIterator<Item = &'a LeaseId> + Clone,
) -> Cmd {
    let line = line_keys(link, leases.clone());
    let (keys, arguments) = (1 + leases.len() + line.len(), 2 + 3 * leases.len());
    let mut command = link.form().call(script, keys, arguments);
    command.arg(&link.names.tokens);
    for lease in leases {
        command.arg(link.names.lease(&lease.resource));
    }
    command.arg(line);
    command
}

/// The further keys that leases may have, where the server must be told of all keys.
fn line_keys<'a>(link: &Link, leases: impl IntoIterator<Item = &'a LeaseId>) -> Vec<Name<'a>> {
    match link.form() {
        Form::Alone => {
            drop(leases);
            Vec::new()
        }
        #[cfg(feature = "redis-cluster")]
        Form::Cluster => leases
            .into_iter()
            .flat_map(|lease| link.names.line(&lease.resource))
            .collect(),
    }
}

/// What is the same for all who enter: the floor of the token, and the channel of those who wait.
struct Common<'a> {
    floor: Option<FencingToken>,
    channel: &'a str,
}

impl ToRedisArgs for Common<'_> {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        let floor = self.floor.map(format_token).unwrap_or_default();
        write_pieces(out, [floor.as_bytes(), b"|", self.channel.as_bytes()]);
    }
}

impl ToSingleRedisArg for Common<'_> {}

/// What a sole holder is in the store, but for its number.
struct Holder<'a> {
    call: &'a AcquireCall,
    epoch: u64,
}

impl ToRedisArgs for Holder<'_> {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        let AcquireCall {
            lease,
            weight,
            capacity,
            label,
            wait_ttl,
            ..
        } = self.call;
        let epoch = self.epoch;
        let mut arg = out.writer_for_next_arg();
        // Writing to memory does not fail.
        let _ = arg.write_all(&holder_mark(lease.owner));
        if let Some(wait_ttl) = wait_ttl {
            let _ = write!(arg, "{wait_ttl}");
        }
        let _ = write!(arg, "|{weight}|{capacity}|{label}|{epoch}:");
    }
}

impl ToSingleRedisArg for Holder<'_> {}

/// The answers to so many who entered, or `None` if the epoch is not the server's.
fn standings(reply: Value, calls: usize, epoch: u64) -> Option<Vec<Result<Standing>>> {
    const OTHER_EPOCH: Value = Value::Int(-1);
    let parse =
        |reply: &Value| Standing::parse(reply, epoch).ok_or_else(|| failure::of_reply("acquire"));
    match reply {
        OTHER_EPOCH => None,
        // Each was granted, with the numbers that follow.
        Value::Int(first) => {
            let numbers = (first..).take(calls).map(Value::Int);
            Some(numbers.map(|number| parse(&number)).collect())
        }
        Value::Array(replies) if replies.contains(&OTHER_EPOCH) => None,
        replies => Some(several(replies).iter().map(parse).collect()),
    }
}

impl Standing {
    /// What the scripts tell. A number alone is the token's number within `epoch`: the short answer for a sole holder.
    fn parse(reply: &Value, epoch: u64) -> Option<Self> {
        let parts = match reply {
            Value::Int(number) => {
                return Some(Self::Granted(token(epoch, u64::try_from(*number).ok()?)));
            }
            Value::Array(parts) => parts,
            _ => return None,
        };
        match &**parts {
            [Value::Int(0)] => Some(Self::None),
            [Value::Int(1), token] => Some(Self::Granted(parse_token(text(token)?)?)),
            [
                Value::Int(2),
                token,
                Value::Int(ahead),
                Value::Int(look_again_in),
            ] => Some(Self::Waiting {
                token: parse_token(text(token)?)?,
                ahead: u32::try_from(*ahead).ok()?,
                look_again_in: u64::try_from(*look_again_in)
                    .ok()
                    .map(Duration::from_millis),
            }),
            _ => None,
        }
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// How a sole holder's text begins: a plus sign and the owner's 16 bytes.
fn holder_mark(owner: OwnerId) -> [u8; 17] {
    let mut mark = [b'+'; 17];
    mark[1..].copy_from_slice(&owner.to_bits().to_be_bytes());
    mark
}

/// A token is its epoch in the upper 31 bits, and a number that counts within the epoch. The number may grow
/// beyond 32 bits, and then carries over: it grows more slowly than the time by which epochs are numbered.
fn token(epoch: u64, number: u64) -> FencingToken {
    FencingToken::new((epoch << 32).saturating_add(number))
}

fn format_token(token: FencingToken) -> String {
    let token = u64::from(token);
    format!("{}:{}", token >> 32, token & u64::from(u32::MAX))
}

/// `epoch:number`, as the scripts write it.
pub(super) fn parse_token(text: &str) -> Option<FencingToken> {
    let (epoch, number) = text.split_once(':')?;
    Some(token(epoch.parse().ok()?, number.parse().ok()?))
}
