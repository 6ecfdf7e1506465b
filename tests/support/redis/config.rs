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

    /// Encrypts connections to [`tls_url`](RedisServer::tls_url), with this certificate for `localhost` and its key, in PEM,
    /// and asks clients for one that `issuer` has signed.
    pub fn encrypted(mut self, certificate: &str, key: &str, issuer: &str) -> Self {
        self.settings.certificates = Some([certificate, key, issuer].map(ToOwned::to_owned));
        self
    }

    /// Makes it a Sentinel that watches `primary`, under this name, with as many others as it takes to `agree`.
    pub fn sentinel_of(mut self, primary: &RedisServer, name: &str, agree: usize) -> Self {
        let mut lines = vec![
            format!(
                "sentinel monitor {name} 127.0.0.1 {} {agree}",
                primary.port()
            ),
            format!("sentinel down-after-milliseconds {name} 500"),
            format!("sentinel failover-timeout {name} 3000"),
        ];
        if let Some(password) = primary.password() {
            lines.push(format!("sentinel auth-pass {name} {}", quoted(password)));
        }
        self.settings.sentinel = lines;
        self
    }

    /// Makes it a node of a cluster, which takes another one for down after so many milliseconds.
    pub fn cluster_node(mut self, timeout: u32) -> Self {
        self.settings.is_cluster_node = true;
        let lines = [
            "cluster-enabled yes",
            "cluster-config-file nodes.conf",
            "cluster-allow-replica-migration no",
            "cluster-replica-validity-factor 0",
        ];
        self.settings.lines.extend(lines.map(ToOwned::to_owned));
        self.config(&format!("cluster-node-timeout {timeout}"))
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
    /// The certificate, its key, and who vouches for clients.
    pub(super) certificates: Option<[String; 3]>,
    /// What a Sentinel watches.
    pub(super) sentinel: Vec<String>,
    pub(super) is_cluster_node: bool,
    lines: Vec<String>,
}

/// The files of certificates, in their order.
pub(super) const CERTIFICATES: [&str; 3] = ["certificate.pem", "key.pem", "issuer.pem"];

impl Settings {
    /// The text of `redis.conf`.
    pub(super) fn file(&self, port: u16, tls_port: Option<u16>, folder: &Path) -> String {
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
        if let Some(tls_port) = tls_port {
            lines.push(format!("tls-port {tls_port}"));
            let settings = ["tls-cert-file", "tls-key-file", "tls-ca-cert-file"];
            for (setting, file) in settings.iter().zip(CERTIFICATES) {
                let file = folder.join(file);
                lines.push(format!("{setting} {}", quoted(&file.to_string_lossy())));
            }
        }
        lines.extend(self.sentinel.iter().cloned());
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
