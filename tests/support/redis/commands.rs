//! Asking a server things, and telling it its role.

use std::collections::BTreeMap;
use std::io;

use super::RedisServer;
use super::client::Endpoint;
use crate::resp::Value;
use crate::wait::until;

impl RedisServer {
    /// The reply to a command, which goes to the server over a connection of its own.
    ///
    /// # Panics
    ///
    /// When the server does not answer, or with an error. [`try_cli`](Self::try_cli) returns these.
    pub async fn cli(&self, words: &[&str]) -> Value {
        match self.try_cli(words).await {
            Ok(value) => value,
            Err(error) => panic!("{words:?} on Redis at {}: {error}", self.addr()),
        }
    }

    /// The reply to a command. An error reply is an error of kind `Other`, with its text.
    pub async fn try_cli(&self, words: &[&str]) -> io::Result<Value> {
        self.endpoint().ask(words).await
    }

    /// One field of `INFO`, such as `master_replid`.
    ///
    /// # Panics
    ///
    /// When the server has no such field.
    pub async fn info(&self, field: &str) -> String {
        let info = self.cli(&["INFO", "everything"]).await;
        field_of(&info.text(), field).unwrap_or_else(|| panic!("Redis tells no {field}"))
    }

    /// How often each command was called since the start or the last [`reset_stats`](Self::reset_stats),
    /// those that scripts call included. Names are in lower case, with subcommands as in `config|get`.
    pub async fn commandstats(&self) -> BTreeMap<String, u64> {
        let stats = self.cli(&["INFO", "commandstats"]).await;
        stats
            .text()
            .lines()
            .filter_map(calls_of_line)
            .filter(|(name, _)| name != RESET)
            .collect()
    }

    /// Starts [`commandstats`](Self::commandstats) anew.
    pub async fn reset_stats(&self) {
        self.cli(&["CONFIG", "RESETSTAT"]).await;
    }

    /// Makes this server follow `primary` from now on, as a demoted primary does. Its own data is lost.
    pub async fn follow(&self, primary: &RedisServer) {
        if let Some(password) = primary.password() {
            self.cli(&["CONFIG", "SET", "masterauth", password]).await;
        }
        self.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()])
            .await;
    }

    /// Makes a replica a primary, and returns when it is.
    pub async fn promote(&self) {
        self.cli(&["REPLICAOF", "NO", "ONE"]).await;
        until("the replica to be a primary", async || {
            (self.info("role").await == "master").then_some(())
        })
        .await;
    }

    /// Waits until this replica is connected to its primary and has all that the primary has.
    pub async fn wait_until_replica_synced(&self) {
        let primary = self.primary().await;
        until("the replica to be synced", async || {
            // The primary is asked first, and each time: its history is renamed when its first replica comes.
            let wanted = primary.ask(&["INFO", "replication"]).await.ok()?;
            let (wanted, info) = (wanted.text(), self.cli(&["INFO", "replication"]).await);
            let info = info.text();
            let up = field_of(&info, "master_link_status").as_deref() == Some("up");
            let same_history =
                field_of(&info, "master_replid") == field_of(&wanted, "master_replid");
            let all =
                number_of(&info, "slave_repl_offset") >= number_of(&wanted, "master_repl_offset");
            (up && same_history && all).then_some(())
        })
        .await;
    }

    async fn primary(&self) -> Endpoint {
        let port = self
            .info("master_port")
            .await
            .parse()
            .expect("a port number");
        let password = self.cli(&["CONFIG", "GET", "masterauth"]).await.array()[1]
            .text()
            .into_owned();
        Endpoint {
            addr: (std::net::Ipv4Addr::LOCALHOST, port).into(),
            password: Some(password).filter(|password| !password.is_empty()),
        }
    }
}

/// The command that resets the statistics is the first to be counted after it.
const RESET: &str = "config|resetstat";

/// `cmdstat_get:calls=3,usec=...` as `("get", 3)`.
fn calls_of_line(line: &str) -> Option<(String, u64)> {
    let (name, stats) = line.strip_prefix("cmdstat_")?.split_once(':')?;
    let calls = stats
        .split(',')
        .find_map(|stat| stat.strip_prefix("calls="))?;
    Some((name.to_owned(), calls.parse().ok()?))
}

fn field_of(info: &str, field: &str) -> Option<String> {
    let value = |line: &str| {
        line.strip_prefix(field)?
            .strip_prefix(':')
            .map(ToOwned::to_owned)
    };
    info.lines().find_map(value)
}

fn number_of(info: &str, field: &str) -> u64 {
    field_of(info, field)
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}
