//! Redis Sentinel: asking those who watch the servers which one is the primary.
//!
//! 1. All Sentinels are asked at once, whenever a connection is made. As soon as a majority of them has answered, the
//!    answer with the latest configuration counts: one that is cut off, or has not heard of a failover yet, is outvoted. If
//!    fewer answer, their answer counts unless it is older than one that came before.
//! 2. What they say is checked by the handshake of the connection: a server that is not a primary is refused.
//! 3. Unless a majority says the same, and nothing later was ever said, the server may be one that is no primary any more and
//!    has not heard of it. It is used, but not let begin an epoch of tokens above one that it does not know.
//! 4. At a promotion they end the connections of clients to the old primary, so that everybody comes here again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisError};
use url::Url;

use super::servers::Primary;
use super::tls::Certificates;
use super::{failure, servers};
use crate::error::{Error, StoreError};

const PORT: u16 = 26379;

pub(super) struct Sentinels {
    clients: Vec<Client>,
    name: String,
    /// How to connect to the primary, but for its address.
    primary: ConnectionInfo,
    certificates: Certificates,
    timeout: Duration,
    /// The latest configuration that any of them has told of.
    latest: AtomicU64,
}

/// What one Sentinel says.
#[derive(PartialEq, Eq)]
struct Answer {
    host: String,
    port: u16,
    configuration: u64,
}

impl Sentinels {
    /// `None` if the URL names no Sentinels.
    pub(super) fn open(
        url: &str,
        certificates: &Certificates,
        timeout: Duration,
    ) -> Result<Option<Self>, Error> {
        let Some((scheme, rest)) = url.split_once("+sentinel://") else {
            return Ok(None);
        };
        let Parts {
            user,
            hosts,
            name,
            database,
            sentinel_user,
        } = Parts::of(rest).ok_or_else(malformed)?;
        let parse = |user: &str, host: &str, path: &str| {
            servers::info(&format!("{scheme}://{user}{host}/{path}")).map_err(|_| malformed())
        };
        let clients = hosts
            .iter()
            .map(|host| certificates.client(parse(&sentinel_user, host, "")?));
        Ok(Some(Self {
            clients: clients.collect::<Result<_, _>>()?,
            name,
            primary: parse(&user, "localhost", &database)?,
            certificates: certificates.clone(),
            timeout,
            latest: AtomicU64::new(0),
        }))
    }

    /// The primary, according to the latest configuration that a majority knows of; or that those know of who answer.
    pub(super) async fn primary(&self) -> Result<Primary, StoreError> {
        let mut asked: FuturesUnordered<_> = self
            .clients
            .iter()
            .map(|sentinel| ask(sentinel, &self.name, self.timeout))
            .collect();
        let mut answers = Vec::new();
        let mut failure = None;
        while answers.len() <= self.clients.len() / 2
            && let Some(answer) = asked.next().await
        {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) => failure = Some(error),
            }
        }
        let Some(named) = answers.iter().max_by_key(|answer| answer.configuration) else {
            return Err(failure::of_sentinels(failure.as_ref()));
        };
        let majority = self.clients.len() / 2 + 1;
        let before = self.latest.fetch_max(named.configuration, Ordering::SeqCst);
        let is_latest = named.configuration >= before;
        // A majority is believed all the same: what it watches may have been taken from it and given to it anew.
        if !is_latest && answers.len() < majority {
            return Err(failure::of_few_sentinels());
        }
        let agree = answers.iter().filter(|answer| *answer == named).count();
        Ok(Primary {
            client: self.at(named)?,
            is_sure: is_latest && agree >= majority,
        })
    }

    fn at(&self, answer: &Answer) -> Result<Client, StoreError> {
        let (host, port) = (answer.host.clone(), answer.port);
        let addr = match self.primary.addr() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        let info = self.primary.clone().set_addr(addr);
        let client = self.certificates.client(info);
        client.map_err(|_| failure::of_sentinels(None))
    }
}

/// The address and the number of the configuration come in one answer, so that they belong together.
async fn ask(sentinel: &Client, name: &str, timeout: Duration) -> Result<Answer, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout));
    let mut connection = sentinel
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let told: HashMap<String, String> = redis::cmd("SENTINEL")
        .arg("MASTER")
        .arg(name)
        .query_async(&mut connection)
        .await?;
    let answer = || {
        Some(Answer {
            host: told.get("ip")?.clone(),
            port: told.get("port")?.parse().ok()?,
            configuration: told.get("config-epoch")?.parse().ok()?,
        })
    };
    answer().ok_or_else(|| std::io::Error::other("an answer without an address").into())
}

/// What stands in a URL behind its scheme: `[user:password@]host[:port],…/name[/database][?sentinel_user=…]`.
struct Parts {
    /// With the `@`, as it is written.
    user: String,
    hosts: Vec<String>,
    name: String,
    database: String,
    sentinel_user: String,
}

impl Parts {
    fn of(rest: &str) -> Option<Self> {
        let (authority, path) = rest.split_once('/')?;
        let (user, hosts) = servers::hosts(authority, PORT)?;
        // Only to have names and escapes read as in any other URL.
        let path = Url::parse(&format!("redis://host/{path}")).ok()?;
        let mut segments = path.path_segments()?;
        let name = segments.next().filter(|name| !name.is_empty())?.to_owned();
        let database = segments.next().unwrap_or_default().to_owned();
        if segments.next().is_some() || path.fragment().is_some() {
            return None;
        }
        Some(Self {
            user,
            hosts,
            name,
            database,
            sentinel_user: sentinel_user(&path)?,
        })
    }
}

/// Who we are to the Sentinels, as it is written before a host.
fn sentinel_user(url: &Url) -> Option<String> {
    let (mut user, mut password) = (None, None);
    for (option, value) in url.query_pairs() {
        match &*option {
            "sentinel_user" => user = Some(value),
            "sentinel_password" => password = Some(value),
            _ => return None,
        }
    }
    if user.is_none() && password.is_none() {
        return Some(String::new());
    }
    let mut before = Url::parse("redis://host").ok()?;
    before.set_username(&user.unwrap_or_default()).ok()?;
    before.set_password(password.as_deref()).ok()?;
    let before = before.as_str().strip_prefix("redis://")?;
    Some(before.split_once('@')?.0.to_owned() + "@")
}

fn malformed() -> Error {
    Error::invalid_url(
        "write it as `redis+sentinel://[user:password@]host[:port],host[:port]/NAME[/database]`, with the name under which \
         the Sentinels know the primary; and who we are to them as `?sentinel_user=…&sentinel_password=…`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let parts = Parts::of("u:p%40@a:1,b,[::1],[::1]:2/main/3?sentinel_password=x%26y").unwrap();
        assert_eq!(parts.user, "u:p%40@");
        assert_eq!(parts.hosts, ["a:1", "b:26379", "[::1]:26379", "[::1]:2"]);
        assert_eq!((&*parts.name, &*parts.database), ("main", "3"));
        assert_eq!(parts.sentinel_user, ":x&y@");
        for malformed in [
            "a:1",
            "a:1/",
            "a,,b/main",
            "a/main/0/x",
            "a/main?x=y",
            "a/main#x",
        ] {
            assert!(Parts::of(malformed).is_none(), "{malformed}");
        }
    }
}
