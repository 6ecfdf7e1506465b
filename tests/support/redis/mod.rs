//! Redis servers of a test's own.

mod client;
mod cluster;
mod commands;
mod config;
mod shared;

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Signal;
use tempfile::TempDir;

pub use cluster::{RedisCluster, shared_redis_cluster};
pub use config::{Persistence, RedisServerBuilder};
pub use shared::shared_redis;

use crate::leash::Leashed;
use crate::port::Port;
use crate::wait::until;
pub(crate) use client::Endpoint;
use config::{CERTIFICATES, Settings};

/// The environment variable that names the server's program, when it is not the `redis-server` of `PATH`.
const PROGRAM: &str = "COORD_REDIS_SERVER";

/// A Redis server on a free port of 127.0.0.1, with its files in a temporary folder.
///
/// The port stays the same through stops and restarts. Dropping this kills the server and removes the folder.
#[derive(Debug)]
pub struct RedisServer {
    settings: Settings,
    port: Port,
    tls_port: Option<Port>,
    /// Where the other nodes of a cluster reach it.
    bus_port: Option<Port>,
    folder: TempDir,
    process: Mutex<Option<Leashed>>,
}

impl RedisServer {
    /// Starts a server that keeps everything in memory and asks for no password.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Options for a server: a password, a primary to replicate, persistence, lines of configuration.
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    async fn with(settings: Settings) -> Self {
        let port = Port::claim().expect("a port");
        let encrypts = settings.certificates.is_some();
        let tls_port = encrypts.then(|| Port::claim().expect("a second port"));
        let bus_port = settings
            .is_cluster_node
            .then(|| Port::claim().expect("a further port"));
        let folder = TempDir::with_prefix("coord-redis-").expect("a temporary folder");
        let server = Self {
            settings,
            port,
            tls_port,
            bus_port,
            folder,
            process: Mutex::new(None),
        };
        server.run().await;
        server
    }

    /// The URL to connect to, with the password if there is one.
    pub fn url(&self) -> String {
        self.endpoint().url()
    }

    /// The URL for encrypted connections.
    pub fn tls_url(&self) -> String {
        let port = self.tls_port.as_ref().expect("a server that encrypts");
        format!("rediss://localhost:{}", port.number())
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The port for other nodes of its cluster.
    pub fn bus_port(&self) -> u16 {
        let port = self.bus_port.as_ref().expect("a node of a cluster");
        port.number()
    }

    /// The address and port.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The password that clients must give.
    pub fn password(&self) -> Option<&str> {
        self.settings.password.as_deref()
    }

    /// The folder of the server's files, its log among them.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the server in good order: with [`Persistence`], its data is on disk. Returns when it has ended.
    pub async fn stop(&self) {
        let Some(mut process) = self.process().take() else {
            return;
        };
        // A paused server would not hear of it.
        process
            .signal(Signal::CONT)
            .and_then(|()| process.signal(Signal::TERM))
            .expect("a signal to the server");
        until("the Redis server to end", async || {
            process.exited().expect("the state of the server")
        })
        .await;
    }

    /// Kills the server. Nothing is saved. Returns when it has ended.
    pub fn kill(&self) {
        self.process().take();
    }

    /// Suspends the server: connections stay open and nothing is answered, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Stops the server if it runs and starts it again, on the same port, with the data it kept if any.
    pub async fn restart(&self) {
        self.stop().await;
        self.run().await;
    }

    /// Kills the server and starts it again on the same port with no data, whatever it had kept.
    pub async fn restart_empty(&self) {
        self.kill();
        for entry in fs::read_dir(self.folder()).expect("the server's folder") {
            let path = entry.expect("an entry of the server's folder").path();
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.expect("a file of the server to be removed");
        }
        self.run().await;
    }

    /// Starts the process and waits until it answers.
    async fn run(&self) {
        let config = self.folder().join("redis.conf");
        let tls_port = self.tls_port.as_ref().map(Port::number);
        let mut text = self.settings.file(self.port(), tls_port, self.folder());
        if let Some(port) = &self.bus_port {
            text += "cluster-port ";
            text += &port.number().to_string();
            text += "\n";
        }
        fs::write(&config, text).expect("the server's configuration");
        for (file, pem) in CERTIFICATES
            .iter()
            .zip(self.settings.certificates.iter().flatten())
        {
            fs::write(self.folder().join(file), pem).expect("a certificate");
        }
        let program =
            std::env::var_os(PROGRAM).map_or_else(|| PathBuf::from("redis-server"), PathBuf::from);
        let mut command = Command::new(&program);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .expect("the server's log");
        let errors = log.try_clone().expect("the server's log, once more");
        command
            .arg(config)
            .args((!self.settings.sentinel.is_empty()).then_some("--sentinel"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        let process = Leashed::spawn(&mut command, Some(self.folder())).unwrap_or_else(|error| {
            panic!(
                "cannot start {}: {error}. `tests/run` installs Redis; {PROGRAM} names another program",
                program.display()
            )
        });
        *self.process() = Some(process);
        let endpoint = self.endpoint();
        until("the Redis server to answer", async || {
            if let Some(status) = self.exited().expect("the state of the server") {
                panic!(
                    "the Redis server ended at its start: {status}\n{}",
                    self.log()
                );
            }
            endpoint.ask(&["PING"]).await.ok()
        })
        .await;
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("redis.log")
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint {
            addr: self.addr(),
            password: self.settings.password.clone(),
        }
    }

    fn signal(&self, signal: Signal) {
        let mut process = self.process();
        let process = process.as_mut().expect("a server that runs");
        process.signal(signal).expect("a signal to the server");
    }

    fn exited(&self) -> io::Result<Option<std::process::ExitStatus>> {
        self.process().as_mut().map_or(Ok(None), Leashed::exited)
    }

    fn process(&self) -> MutexGuard<'_, Option<Leashed>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
