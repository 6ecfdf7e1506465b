//! etcd servers of a test's own.

mod cluster;
mod shared;

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub use cluster::EtcdCluster;
pub use shared::shared_etcd;

use crate::leash::Leashed;
use crate::port::Port;
use crate::wait::until;

/// The environment variable that names the server's program, when it is not in `PATH`.
const PROGRAM: &str = "COORD_ETCD_SERVER";

const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// An etcd server on a free port of 127.0.0.1, with its files in a temporary folder.
///
/// The port stays the same through stops and restarts. Dropping this kills the server and removes the folder.
#[derive(Debug)]
pub struct EtcdServer {
    settings: EtcdServerBuilder,
    port: Port,
    peers: Port,
    folder: TempDir,
    process: Mutex<Option<Leashed>>,
}

/// Options for an [`EtcdServer`].
#[derive(Debug, Default)]
#[must_use = "call `start`"]
pub struct EtcdServerBuilder {
    /// Certificate, its key, and certificates of clients to trust.
    encrypted: Option<[String; 3]>,
    options: Vec<String>,
    /// Its name in a cluster, and all that are in it.
    member: Option<(String, String)>,
}

impl EtcdServerBuilder {
    /// Takes encrypted connections only. In PEM: the certificate that it shows and its key, and the certificates that
    /// clients must have, one of them at least.
    pub fn encrypted(mut self, certificate: String, key: String, clients: String) -> Self {
        self.encrypted = Some([certificate, key, clients]);
        self
    }

    /// An option of the command line.
    pub fn option(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Starts it. Returns when it answers.
    pub async fn start(self) -> EtcdServer {
        let server = self.make(Port::claim().expect("a port"));
        server.run().await;
        server
    }

    fn make(self, peers: Port) -> EtcdServer {
        EtcdServer {
            settings: self,
            port: Port::claim().expect("a port"),
            peers,
            folder: TempDir::with_prefix("coord-etcd-").expect("a temporary folder"),
            process: Mutex::new(None),
        }
    }
}

impl EtcdServer {
    /// Starts a server that asks for no password.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Options for a server.
    pub fn builder() -> EtcdServerBuilder {
        EtcdServerBuilder::default()
    }

    /// The URL to connect to.
    pub fn url(&self) -> String {
        format!("etcd://{}", self.addr())
    }

    /// The address and port.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The folder of the server's files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills the server as a crash would. Returns when it has ended.
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

    /// Kills the server if it runs and starts it again, on the same port, with the data it has.
    pub async fn restart(&self) {
        self.kill();
        self.run().await;
    }

    /// Kills the server and starts it again on the same port with no data.
    pub async fn restart_empty(&self) {
        self.kill();
        fs::remove_dir_all(self.data()).expect("the server's data to be removed");
        self.run().await;
    }

    /// Has `etcdctl` do something at this server, and returns what it writes.
    pub async fn control(&self, arguments: &[&str]) -> String {
        let output = tokio::process::Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .arg(format!("--endpoints={}", self.addr()))
            .args(arguments)
            .output()
            .await
            .expect("etcdctl; `tests/run` installs it");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Whether it leads its cluster.
    pub async fn leads(&self) -> bool {
        let asked = tokio::time::timeout(ANSWERS_WITHIN, self.get("/metrics")).await;
        asked.is_ok_and(|told| told.unwrap_or_default().contains("etcd_server_is_leader 1"))
    }

    /// How many calls of clients it has answered so far.
    pub async fn calls(&self) -> u64 {
        let told = self.get("/metrics").await.expect("its metrics");
        told.lines()
            .filter(|line| line.starts_with("grpc_server_handled_total{"))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
            .sum()
    }

    /// What the server has logged since it was started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Starts the process and waits until it answers.
    async fn run(&self) {
        self.launch();
        self.until_it_serves().await;
    }

    fn launch(&self) {
        let log = File::create(self.log_file()).expect("the server's log");
        let errors = log.try_clone().expect("the server's log, once more");
        let scheme = if self.settings.encrypted.is_some() {
            "https"
        } else {
            "http"
        };
        let clients = format!("{scheme}://{}", self.addr());
        let peers = format!("http://127.0.0.1:{}", self.peers.number());
        let (name, members) = match &self.settings.member {
            Some((name, members)) => (name.clone(), members.clone()),
            None => ("alone".to_owned(), format!("alone={peers}")),
        };
        let program = std::env::var_os(PROGRAM).unwrap_or_else(|| "etcd".into());
        let mut command = Command::new(program);
        command
            .arg(format!("--name={name}"))
            .arg(format!("--data-dir={}", self.data().display()))
            .arg(format!("--listen-client-urls={clients}"))
            .arg(format!("--advertise-client-urls={clients}"))
            .arg(format!("--listen-peer-urls={peers}"))
            .arg(format!("--initial-advertise-peer-urls={peers}"))
            .arg(format!("--initial-cluster={members}"))
            .args(["--heartbeat-interval=50", "--election-timeout=500"])
            .args(["--logger=zap", "--log-outputs=stderr"]);
        if let Some(pems) = &self.settings.encrypted {
            let names = ["cert-file", "key-file", "trusted-ca-file"];
            for (name, pem) in names.iter().zip(pems) {
                let file = self.folder().join(name);
                fs::write(&file, pem).expect("the server's certificate");
                command.arg(format!("--{name}={}", file.display()));
            }
            command.arg("--client-cert-auth");
        }
        command
            .args(&self.settings.options)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        let process = Leashed::spawn(&mut command, Some(self.folder()));
        *self.process() = Some(process.expect("etcd; `tests/run` installs it"));
    }

    async fn until_it_serves(&self) {
        until("the etcd server to answer", async || {
            if let Some(status) = self.exited().expect("the state of the server") {
                panic!(
                    "the etcd server ended at its start: {status}\n{}",
                    self.log()
                );
            }
            if !self.log().contains("serving client traffic") {
                return None;
            }
            TcpStream::connect(self.addr()).await.ok().map(drop)
        })
        .await;
    }

    async fn get(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.addr()).await?;
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("etcd.log")
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
