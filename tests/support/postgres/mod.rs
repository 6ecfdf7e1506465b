//! PostgreSQL servers of a test's own.

mod programs;
mod shared;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

pub use shared::shared_postgres;

use crate::leash::Leashed;
use crate::port::Port;
use crate::wait::until;

/// A PostgreSQL server on a free port of 127.0.0.1, with its files in a temporary folder.
///
/// The port stays the same through stops and restarts. Dropping this kills the server and removes the folder.
#[derive(Debug)]
pub struct PostgresServer {
    settings: PostgresServerBuilder,
    port: Port,
    folder: TempDir,
    process: Mutex<Option<Leashed>>,
}

/// Options for a [`PostgresServer`].
#[derive(Debug, Clone, Default)]
#[must_use = "call `start`"]
pub struct PostgresServerBuilder {
    durable: bool,
    password: bool,
    lines: Vec<String>,
}

impl PostgresServerBuilder {
    /// Writes to the disk before it acknowledges, as a server does unless it is one for tests.
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Asks everybody but the user `postgres` for a password.
    pub fn with_passwords(mut self) -> Self {
        self.password = true;
        self
    }

    /// A line of configuration.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Starts it. Returns when it answers.
    pub async fn start(self) -> PostgresServer {
        let folder = TempDir::with_prefix("coord-postgres-").expect("a temporary folder");
        programs::give(folder.path());
        let server = PostgresServer {
            settings: self,
            port: Port::claim().expect("a port"),
            folder,
            process: Mutex::new(None),
        };
        server.make_data().await;
        server.configure();
        server.run().await;
        server
    }
}

impl PostgresServer {
    /// Starts a server that asks for no password, and does not wait for the disk.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Options for a server.
    pub fn builder() -> PostgresServerBuilder {
        PostgresServerBuilder::default()
    }

    /// The URL to connect to, as the user `postgres`, who may do everything.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL for another user, who is written as in URLs, with a password if there is one.
    pub fn url_of(&self, user: &str) -> String {
        format!(
            "postgres://{user}@127.0.0.1:{}/postgres",
            self.port.number()
        )
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The folder of the server's files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client beside whatever is tested.
    pub async fn client(&self) -> Client {
        client_of(&self.url()).await
    }

    /// Kills the server as a crash would. Returns when it has ended.
    pub fn kill(&self) {
        self.process().take();
    }

    /// Suspends the server's main process, which makes connections; those that are open go on.
    pub fn pause(&self) {
        let mut process = self.process();
        let process = process.as_mut().expect("a server that runs");
        process
            .signal(Signal::STOP)
            .expect("a signal to the server");
    }

    /// Ends all sessions and the server in good order. Returns when it has ended.
    pub async fn stop(&self) {
        let Some(mut process) = self.process().take() else {
            return;
        };
        process.signal(Signal::INT).expect("a signal to the server");
        until("the PostgreSQL server to end", async || {
            process.exited().expect("the state of the server")
        })
        .await;
    }

    /// Stops the server if it runs and starts it again, on the same port, with the data it has.
    pub async fn restart(&self) {
        self.stop().await;
        self.run().await;
    }

    /// Makes the folder of data, as a copy of one that this process makes once.
    async fn make_data(&self) {
        let template = programs::template().await;
        programs::run(
            programs::user_command("cp")
                .args(["-R", "-p"])
                .arg(template)
                .arg(self.data()),
        );
    }

    fn configure(&self) {
        let how = if self.settings.password {
            "scram-sha-256"
        } else {
            "trust"
        };
        let access =
            format!("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 {how}\n");
        fs::write(self.data().join("pg_hba.conf"), access).expect("the server's configuration");
        let durability = if self.settings.durable { "on" } else { "off" };
        let configuration = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 300\n\
             fsync = {durability}\nfull_page_writes = {durability}\nshared_buffers = 64MB\n\
             autovacuum_naptime = 20s\nlog_line_prefix = '%m [%p] '\n{}\n",
            self.port(),
            self.settings.lines.join("\n"),
        );
        fs::write(self.data().join("postgresql.conf"), configuration)
            .expect("the server's configuration");
    }

    /// Starts the process and waits until it answers.
    async fn run(&self) {
        // After a kill, the processes of sessions may still be on their way out.
        for _ in 0..50 {
            let log = File::create(self.log_file()).expect("the server's log");
            let errors = log.try_clone().expect("the server's log, once more");
            let mut command = programs::user_command(programs::path("postgres"));
            command
                .arg("-D")
                .arg(self.data())
                .stdin(Stdio::null())
                .stdout(log)
                .stderr(errors);
            let process = Leashed::spawn(&mut command, Some(self.folder()));
            *self.process() = Some(process.expect("a PostgreSQL server"));
            if self.answers().await {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the PostgreSQL server does not start\n{}", self.log());
    }

    /// Whether it answers, or has ended.
    async fn answers(&self) -> bool {
        let url = self.url();
        until("the PostgreSQL server to answer", async || {
            let mut process = self.process();
            let exited = process.as_mut().map(Leashed::exited);
            if !matches!(exited, Some(Ok(None))) {
                return Some(false);
            }
            drop(process);
            connected(&url).await.map(|_| true)
        })
        .await
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("postgres.log")
    }

    fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn process(&self) -> MutexGuard<'_, Option<Leashed>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client of the server at `url`.
pub async fn client_of(url: &str) -> Client {
    connected(url).await.expect("a server that accepts clients")
}

async fn connected(url: &str) -> Option<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.ok()?;
    tokio::spawn(connection);
    Some(client)
}
