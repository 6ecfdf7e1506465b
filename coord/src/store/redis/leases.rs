//! Leases in Redis. What happens on the server stands in `lua/lease_*.lua` and `lua/line.lua`.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};

use super::link::{Connection, Link, TOKENS};
use super::script::Script;
use super::{failure, milliseconds};
use crate::error::{StoreError, StoreErrorKind};
use crate::key::Renderer;
use crate::store::{
    Acquired, Contender, FencingToken, LeaseId, LeaseRequest, OwnerId, Renewal, Renewed, Result,
    Watch,
};

/// How often the epoch is learnt again within one request before the server is called too restless.
const EPOCHS_PER_REQUEST: usize = 5;

pub(super) async fn acquire(link: &Arc<Link>, request: &LeaseRequest) -> Result<Acquired> {
    // Registered before the request is sent: the grant can come before the reply is looked at.
    let wake = request
        .wait_ttl
        .map(|_| link.wakes.wait_in_line(request.lease.owner));
    let connection = link.current().await?;
    for _ in 0..EPOCHS_PER_REQUEST {
        let epoch = connection.epoch();
        let command = acquire_command(link, request, epoch);
        match parse_acquired(
            connection.send("acquire", &command).await?,
            epoch,
            wake.is_some(),
        ) {
            Some(Answer::Acquired(acquired)) => return Ok(acquired),
            Some(Answer::Waiting {
                token,
                ahead,
                look_again_in,
            }) => {
                let wake = wake.unwrap_or_else(Watch::polling);
                return Ok(Acquired::Waiting {
                    token,
                    ahead,
                    look_again_in,
                    wake,
                });
            }
            Some(Answer::OtherEpoch) => link.relearn("acquire", &connection).await?,
            None => return Err(failure::of_reply("acquire")),
        }
    }
    Err(StoreError::new(
        StoreErrorKind::NotApplied,
        "acquire",
        "the server keeps losing its data",
    ))
}

/// One round trip for all that are within the limits; the others are refused by themselves.
pub(super) async fn renew(link: &Arc<Link>, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
    let checked: Vec<_> = renewals
        .iter()
        .map(|renewal| renewal.check().map(|()| renewal))
        .collect();
    let sent: Vec<_> = checked.iter().flatten().copied().collect();
    let mut answers = match send_renewals(link, &sent).await {
        Ok(answers) => answers.into_iter(),
        Err(error) => vec![Err(error); sent.len()].into_iter(),
    };
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

async fn send_renewals(link: &Arc<Link>, renewals: &[&Renewal]) -> Result<Vec<Result<Renewed>>> {
    let connection = link.current().await?;
    let mut pipeline = Pipeline::with_capacity(renewals.len());
    for renewal in renewals {
        pipeline.add_command(renew_command(renewal));
    }
    let mut replies = send_pipeline(&connection, &pipeline).await?;
    if replies.iter().any(is_unknown_script) {
        // Renewing twice is as good as once.
        connection.load_scripts("renew").await?;
        replies = send_pipeline(&connection, &pipeline).await?;
    }
    Ok(replies
        .into_iter()
        .map(|reply| parse_renewed(&connection, reply))
        .collect())
}

pub(super) async fn release(link: &Arc<Link>, lease: &LeaseId) -> Result<bool> {
    let mut command = lease_command(Script::LeaseRelease, &lease.resource);
    command.arg(owner_text(lease.owner));
    let released: i64 = link.send("release", &command).await?;
    Ok(released == 1)
}

pub(super) async fn inspect(link: &Arc<Link>, resource: &str) -> Result<Vec<Contender>> {
    let command = lease_command(Script::LeaseInspect, resource);
    let rows: Vec<(String, String, String, String, String, i64)> =
        link.send("inspect", &command).await?;
    rows.into_iter()
        .map(|(owner, state, weight, label, token, expires_in)| {
            Some(Contender {
                owner: OwnerId::from_bits(u128::from_str_radix(&owner, 16).ok()?),
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

/// What the script for acquiring answered.
enum Answer {
    Acquired(Acquired),
    Waiting {
        token: FencingToken,
        ahead: u32,
        look_again_in: Option<Duration>,
    },
    OtherEpoch,
}

fn acquire_command(link: &Link, request: &LeaseRequest, epoch: u64) -> Cmd {
    let mut command = lease_command(Script::LeaseAcquire, &request.lease.resource);
    command
        .arg(owner_text(request.lease.owner))
        .arg(milliseconds(request.ttl))
        .arg(epoch)
        .arg(request.weight)
        .arg(request.capacity);
    if request.label.is_empty() {
        command.arg("");
    } else {
        command.arg(Renderer::encoded(&request.label));
    }
    match request.wait_ttl {
        Some(wait_ttl) => command.arg(milliseconds(wait_ttl)).arg(&link.channel),
        None => command.arg("").arg(""),
    };
    match request.token_floor {
        Some(floor) => command.arg(format_token(floor)),
        None => command.arg(""),
    };
    command
}

fn renew_command(renewal: &Renewal) -> Cmd {
    let mut command = lease_command(Script::LeaseRenew, &renewal.lease.resource);
    command
        .arg(owner_text(renewal.lease.owner))
        .arg(milliseconds(renewal.ttl))
        .arg(milliseconds(renewal.wait_ttl));
    command
}

/// A call with the keys that every script of leases takes. They share a hash tag.
fn lease_command(script: Script, resource: &str) -> Cmd {
    let mut command = script.call(4);
    command
        .arg(["{coord:", resource, "}:lease"].concat())
        .arg(TOKENS)
        .arg(["{coord:", resource, "}:line"].concat())
        .arg(["{coord:", resource, "}:deadlines"].concat());
    command
}

async fn send_pipeline(connection: &Connection, pipeline: &Pipeline) -> Result<Vec<Value>> {
    connection.send_all("renew", pipeline).await
}

fn is_unknown_script(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.kind() == Some(redis::ServerErrorKind::NoScript))
}

/// A number alone is the token's number within `epoch`: the sole holder's short answer.
fn parse_acquired(reply: Value, epoch: u64, queues: bool) -> Option<Answer> {
    match reply {
        Value::Int(-1) => Some(Answer::OtherEpoch),
        Value::Int(number) => {
            let token = token(epoch, u64::try_from(number).ok()?);
            Some(Answer::Acquired(Acquired::Granted(token)))
        }
        Value::Array(parts) => match (Standing::parse(&parts)?, queues) {
            (Standing::None, _) => Some(Answer::Acquired(Acquired::Busy)),
            (Standing::Granted(token), _) => Some(Answer::Acquired(Acquired::Granted(token))),
            (
                Standing::Waiting {
                    token,
                    ahead,
                    look_again_in,
                },
                _,
            ) => Some(Answer::Waiting {
                token,
                ahead,
                look_again_in,
            }),
        },
        _ => None,
    }
}

fn parse_renewed(connection: &Connection, reply: Value) -> Result<Renewed> {
    let standing = match reply {
        Value::ServerError(error) => return Err(connection.failed("renew", &error.into())),
        Value::Array(parts) => Standing::parse(&parts),
        _ => None,
    };
    match standing.ok_or_else(|| failure::of_reply("renew"))? {
        Standing::None => Ok(Renewed::Gone),
        Standing::Granted(token) => Ok(Renewed::Granted(token)),
        Standing::Waiting {
            ahead,
            look_again_in,
            ..
        } => Ok(Renewed::Waiting {
            ahead,
            look_again_in,
        }),
    }
}

/// Where a contender stands, as the scripts tell it.
enum Standing {
    None,
    Granted(FencingToken),
    Waiting {
        token: FencingToken,
        ahead: u32,
        look_again_in: Option<Duration>,
    },
}

impl Standing {
    fn parse(parts: &[Value]) -> Option<Self> {
        match parts {
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

fn owner_text(owner: OwnerId) -> String {
    format!("{:032x}", owner.to_bits())
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
