//! Which node of a cluster has which slots, as its nodes tell.
//!
//! Several nodes are asked at once. As soon as a majority of them has answered, the answer counts that comes from where the
//! latest failover is known of: a node that was cut off tells what was before.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, Value};

use super::partitions::{PARTITIONS, slot_of};

/// Host and port of a node.
pub(super) type Address = (String, u16);

/// What one node says.
pub(super) struct Topology {
    /// Whether the node can serve, as far as it knows.
    is_up: bool,
    /// Grows with every failover.
    epoch: u64,
    /// Whether a majority of those that were asked has answered.
    pub(super) is_of_majority: bool,
    /// The master of each partition's slot, if there is one.
    pub(super) masters: Vec<Option<Address>>,
}

/// The latest that the nodes behind `clients` know, or why none has answered.
pub(super) async fn ask(
    clients: Vec<(Address, Client)>,
    timeout: Duration,
) -> Result<Topology, Option<RedisError>> {
    let count = clients.len();
    let mut asked: FuturesUnordered<_> = clients
        .iter()
        .map(|(address, client)| async move {
            let asked = tokio::time::timeout(timeout, ask_one(address, client, timeout));
            let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
            asked.await.unwrap_or_else(late)
        })
        .collect();
    let mut answers = Vec::new();
    let mut failure = None;
    while answers.len() <= count / 2
        && let Some(answer) = asked.next().await
    {
        match answer {
            Ok(answer) => answers.push(answer),
            // What a server says tells more than that another cannot be reached.
            Err(error) if failure.is_none() || !error.is_io_error() => failure = Some(error),
            Err(_) => {}
        }
    }
    let is_of_majority = answers.len() > count / 2;
    let latest = answers
        .into_iter()
        .max_by_key(|answer| (answer.is_up, answer.epoch));
    let latest = latest.map(|latest| Topology {
        is_of_majority,
        ..latest
    });
    latest.ok_or(failure)
}

async fn ask_one(
    (host, _): &Address,
    client: &Client,
    timeout: Duration,
) -> Result<Topology, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout));
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let mut both = Pipeline::with_capacity(2);
    both.cmd("CLUSTER").arg("INFO");
    both.cmd("CLUSTER").arg("SLOTS");
    let (info, slots): (String, Value) = both.query_async(&mut connection).await?;
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    Ok(Topology {
        is_up: field("cluster_state") == Some("ok"),
        epoch: field("cluster_current_epoch")
            .and_then(|epoch| epoch.parse().ok())
            .unwrap_or(0),
        is_of_majority: false,
        masters: masters(&slots, host),
    })
}

/// The masters of partitions. A node that does not know its own address leaves it out: it is where it was asked.
fn masters(slots: &Value, asked: &str) -> Vec<Option<Address>> {
    let mut masters = vec![None; PARTITIONS];
    let Value::Array(ranges) = slots else {
        return masters;
    };
    for range in ranges {
        let Value::Array(parts) = range else { continue };
        let [
            Value::Int(first),
            Value::Int(last),
            Value::Array(master),
            ..,
        ] = &parts[..]
        else {
            continue;
        };
        let Some(address) = address(master, asked) else {
            continue;
        };
        for (partition, master) in masters.iter_mut().enumerate() {
            if (*first..=*last).contains(&i64::from(slot_of(partition))) {
                *master = Some(address.clone());
            }
        }
    }
    masters
}

fn address(node: &[Value], asked: &str) -> Option<Address> {
    let [host, Value::Int(port), ..] = node else {
        return None;
    };
    let host = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        _ => "",
    };
    let host = if host.is_empty() || host == "?" {
        asked
    } else {
        host
    };
    Some((host.to_owned(), u16::try_from(*port).ok()?))
}

/// The address that a redirection names, which was answered by a node at `host`.
pub(super) fn redirection(error: &RedisError, host: &str) -> Option<Address> {
    let (address, _) = error.redirect_node()?;
    let (named, port) = address.rsplit_once(':')?;
    let named = named.trim_matches(['[', ']']);
    let host = if named.is_empty() || named == "?" {
        host
    } else {
        named
    };
    Some((host.to_owned(), port.parse().ok()?))
}
