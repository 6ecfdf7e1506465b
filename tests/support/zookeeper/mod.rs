//! ZooKeeper servers of a test's own.

mod ensemble;
mod shared;

use std::fmt::Write as _;
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

pub use ensemble::ZookeeperEnsemble;
pub use shared::shared_zookeeper;

use crate::leash::Leashed;
use crate::port::Port;
use crate::wait::until;

/// The environment variable that names the server's library, when it is not where Debian has it.
const LIBRARY: &str = "COORD_ZOOKEEPER_JAR";
const DEBIAN: &str = "/usr/share/java/zookeeper.jar";

const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// A ZooKeeper server on a free port of 127.0.0.1, with its files in a temporary folder.
///
/// The port stays the same through stops and restarts. Dropping this kills the server and removes the folder. Sessions
/// may be as short as half a second.
#[derive(Debug)]
pub struct ZookeeperServer {
    settings: ZookeeperServerBuilder,
    port: Port,
    folder: TempDir,
    process: Mutex<Option<Leashed>>,
}

/// Options for a [`ZookeeperServer`].
#[derive(Debug, Default)]
#[must_use = "call `start`"]
pub struct ZookeeperServerBuilder {
    durable: bool,
    /// Certificate and key, certificates of clients to trust, and the port.
    encrypted: Option<(String, String, Port)>,
    lines: Vec<String>,
    /// Its number in an ensemble.
    member: Option<usize>,
}

impl ZookeeperServerBuilder {
    /// Writes to the disk before it acknowledges, as a server does unless it is one for tests.
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Takes encrypted connections on a port of their own. In PEM: the certificate and its key that it shows, and
    /// the certificates that clients must have, one of them at least.
    pub fn encrypted(mut self, shown: String, clients: String) -> Self {
        self.encrypted = Some((shown, clients, Port::claim().expect("a port")));
        self
    }

    /// A line of configuration.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Starts it. Returns when it answers.
    pub async fn start(self) -> ZookeeperServer {
        let server = self.make();
        server.run().await;
        server
    }

    fn make(self) -> ZookeeperServer {
        ZookeeperServer {
            settings: self,
            port: Port::claim().expect("a port"),
            folder: TempDir::with_prefix("coord-zookeeper-").expect("a temporary folder"),
            process: Mutex::new(None),
        }
    }
}

impl ZookeeperServer {
    /// Starts a server that asks for no password, and does not wait for the disk.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Options for a server.
    pub fn builder() -> ZookeeperServerBuilder {
        ZookeeperServerBuilder::default()
    }

    /// The URL to connect to.
    pub fn url(&self) -> String {
        format!("zk://127.0.0.1:{}", self.port.number())
    }

    /// The address and port.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// The port for encrypted connections.
    pub fn encrypted_port(&self) -> u16 {
        let encrypted = self.settings.encrypted.as_ref();
        encrypted.expect("a server that encrypts").2.number()
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

    /// Waits until the server has ended so many sessions because it heard nothing of their clients, since it started.
    pub async fn until_expired(&self, sessions: usize) {
        until("a session to expire", async || {
            let expired = self.log().matches("Expiring session").count();
            (expired >= sessions).then_some(())
        })
        .await;
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
        self.configure();
        let library =
            std::env::var_os(LIBRARY).map_or_else(|| PathBuf::from(DEBIAN), PathBuf::from);
        assert!(
            library.exists(),
            "there is no {}. `tests/run` installs it; {LIBRARY} names another",
            library.display()
        );
        let log = File::create(self.log_file()).expect("the server's log");
        let errors = log.try_clone().expect("the server's log, once more");
        let mut classes = self.folder().as_os_str().to_owned();
        classes.push(":");
        classes.push(&library);
        // Logging, and what its manifest leaves out that encryption needs.
        for also in [
            "slf4j-log4j12",
            "log4j-1.2",
            "netty-codec",
            "netty-resolver",
            "netty-transport-native-unix-common",
        ] {
            classes.push(format!(":/usr/share/java/{also}.jar"));
        }
        let mut command = Command::new("java");
        command
            .args([
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xshare:auto",
            ])
            .arg(format!(
                "-Dzookeeper.forceSync={}",
                if self.settings.durable { "yes" } else { "no" }
            ))
            .arg("-cp")
            .arg(classes)
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(self.folder().join("zoo.cfg"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        let process = Leashed::spawn(&mut command, Some(self.folder()));
        *self.process() = Some(process.expect("Java; `tests/run` installs it"));
    }

    async fn until_it_serves(&self) {
        until("the ZooKeeper server to answer", async || {
            if let Some(status) = self.exited().expect("the state of the server") {
                panic!(
                    "the ZooKeeper server ended at its start: {status}\n{}",
                    self.log()
                );
            }
            // One that is asked too early may take the connection and never answer.
            let serves = tokio::time::timeout(ANSWERS_WITHIN, self.serves()).await;
            serves.ok()?.ok()?.then_some(())
        })
        .await;
    }

    /// How many nodes there are.
    pub async fn nodes(&self) -> usize {
        let status = self.status().await.expect("a server that answers");
        let nodes = status
            .lines()
            .find_map(|line| line.strip_prefix("Node count: "));
        nodes
            .and_then(|nodes| nodes.parse().ok())
            .expect("a number of nodes")
    }

    async fn serves(&self) -> io::Result<bool> {
        Ok(self.status().await?.contains("Mode: "))
    }

    async fn status(&self) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.addr()).await?;
        stream.write_all(b"srvr").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    fn configure(&self) {
        let mut lines = format!(
            "dataDir={}\nclientPortAddress=127.0.0.1\nclientPort={}\ntickTime=250\nmaxSessionTimeout=60000\n\
             maxClientCnxns=0\nadmin.enableServer=false\n",
            self.data().display(),
            self.port.number(),
        );
        if let Some((shown, clients, port)) = &self.settings.encrypted {
            for (name, text) in [("shown.pem", shown), ("clients.pem", clients)] {
                fs::write(self.folder().join(name), text).expect("the server's certificate");
            }
            let folder = self.folder().display();
            // Writing to a `String` does not fail.
            let _ = write!(
                lines,
                "secureClientPort={}\nserverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n\
                 ssl.keyStore.location={folder}/shown.pem\nssl.keyStore.type=PEM\n\
                 ssl.trustStore.location={folder}/clients.pem\nssl.trustStore.type=PEM\n",
                port.number(),
            );
        }
        lines += &self.settings.lines.join("\n");
        if let Some(number) = self.settings.member {
            fs::create_dir_all(self.data()).expect("the server's data");
            fs::write(self.data().join("myid"), number.to_string()).expect("the server's number");
        }
        fs::write(self.folder().join("zoo.cfg"), lines).expect("the server's configuration");
        let logging = "log4j.rootLogger=INFO, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n\
                       log4j.appender.out.layout=org.apache.log4j.PatternLayout\n\
                       log4j.appender.out.layout.ConversionPattern=%d %p %c{1} %m%n\n";
        fs::write(self.folder().join("log4j.properties"), logging).expect("the server's logging");
    }

    fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("zookeeper.log")
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
