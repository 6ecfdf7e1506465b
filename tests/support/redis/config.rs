//! What a server is started with.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::RedisServer;

/// What a server still has after a [`stop`](RedisServer::stop), and after a [`kill`](RedisServer::kill).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing after either.
    #[default]
    None,
    /// Everything after a stop; after a kill, what the last snapshot held.
    Snapshot,
    /// Everything after either: each write is synced to a log.
    Log,
}

/// Options for a [`RedisServer`]; made by [`RedisServer::builder`].
#[derive(Debug, Clone, Default)]
#[must_use = "`start` starts the server"]
pub struct RedisServerBuilder {
    settings: Settings,
}

impl RedisServerBuilder {
    /// The password that clients must give.
    pub fn password(mut self, password: &str) -> Self {
        self.settings.password = Some(password.to_owned());
        self
    }

    /// Follows `primary`. It may take a moment after the start until the data is there: see
    /// [`wait_until_replica_synced`](RedisServer::wait_until_replica_synced).
    pub fn replica_of(mut self, primary: &RedisServer) -> Self {
        self.settings.primary = Some(primary.addr());
        self.settings.primary_password = primary.password().map(ToOwned::to_owned);
        self
    }

    /// What is kept on disk; by default nothing.
    pub fn persistence(mut self, persistence: Persistence) -> Self {
        self.settings.persistence = persistence;
        self
    }

    /// A further line of `redis.conf`, such as `maxmemory 10mb`.
    pub fn config(mut self, line: &str) -> Self {
        self.settings.lines.push(line.to_owned());
        self
    }

    /// Starts the server and waits until it answers.
    pub async fn start(self) -> RedisServer {
        RedisServer::with(self.settings).await
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) password: Option<String>,
    primary: Option<SocketAddr>,
    primary_password: Option<String>,
    persistence: Persistence,
    lines: Vec<String>,
}

impl Settings {
    /// The text of `redis.conf`.
    pub(super) fn file(&self, port: u16, folder: &Path) -> String {
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            format!("port {port}"),
            format!("dir {}", quoted(&folder.to_string_lossy())),
            // A replica need not wait for others that might want the same copy.
            "repl-diskless-sync-delay 0".to_owned(),
        ];
        match self.persistence {
            Persistence::None => lines.push("save \"\"".to_owned()),
            Persistence::Snapshot => lines.push("save 3600 1".to_owned()),
            Persistence::Log => {
                lines.extend(
                    ["save \"\"", "appendonly yes", "appendfsync always"].map(ToOwned::to_owned),
                );
            }
        }
        if let Some(password) = &self.password {
            lines.push(format!("requirepass {}", quoted(password)));
        }
        // Once promoted or demoted, a server may have to follow one that has its own password.
        if let Some(password) = self.primary_password.as_ref().or(self.password.as_ref()) {
            lines.push(format!("masterauth {}", quoted(password)));
        }
        if let Some(primary) = self.primary {
            lines.push(format!("replicaof {} {}", primary.ip(), primary.port()));
        }
        lines.extend(self.lines.iter().cloned());
        lines.join("\n") + "\n"
    }
}

/// A word of `redis.conf`.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for byte in text.bytes() {
        let _ = write!(quoted, "\\x{byte:02x}");
    }
    quoted + "\""
}
