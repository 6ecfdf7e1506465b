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
    /// Certificate and key.
    encrypted: Option<(String, String)>,
    lines: Vec<String>,
    /// The port of the server that this one copies.
    primary: Option<u16>,
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

    /// Takes nobody but the user `postgres` without encryption, and shows this certificate, whose key this is, in PEM.
    pub fn encrypted(mut self, certificate: String, key: String) -> Self {
        self.encrypted = Some((certificate, key));
        self
    }

    /// Copies what another one writes, a little later.
    pub fn replica_of(mut self, primary: &PostgresServer) -> Self {
        self.primary = Some(primary.port());
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

    /// Makes the folder of data: a copy of the primary's, or of one that this process makes once.
    async fn make_data(&self) {
        if let Some(primary) = self.settings.primary {
            programs::run(
                programs::user_command(programs::path("pg_basebackup"))
                    .args(["--write-recovery-conf", "--checkpoint", "fast", "--no-sync"])
                    .args(["--host", "127.0.0.1", "--username", "postgres", "--port"])
                    .arg(primary.to_string())
                    .arg("--pgdata")
                    .arg(self.data()),
            );
        } else {
            copy(programs::template().await, &self.data());
        }
    }

    /// Starts a replica anew, so that it hears no more of its primary.
    pub async fn cut_off(&self) {
        self.stop().await;
        let settings = self.data().join("postgresql.auto.conf");
        fs::write(&settings, "primary_conninfo = ''\n").expect("the server's configuration");
        self.run().await;
    }

    /// Makes a replica a primary.
    pub async fn promote(&self) {
        let promote = "SELECT pg_promote(true, 60)";
        let promoted = self.client().await.query_one(promote, &[]).await;
        assert!(
            promoted.expect("a promotion").get::<_, bool>(0),
            "it is promoted"
        );
    }

    /// A copy of all data, as it is at one moment. The server is stopped meanwhile.
    pub async fn copy_data(&self) -> PathBuf {
        self.stop().await;
        let copied = self.folder().join("copy");
        copy(&self.data(), &copied);
        self.run().await;
        copied
    }

    /// Starts the server with what [`copy_data`](Self::copy_data) has copied.
    pub async fn put_back(&self, copied: &Path) {
        self.stop().await;
        fs::remove_dir_all(self.data()).expect("a folder to be removed");
        copy(copied, &self.data());
        self.run().await;
    }

    fn configure(&self) {
        let how = if self.settings.password {
            "scram-sha-256"
        } else {
            "trust"
        };
        let mut lines = self.settings.lines.join("\n");
        let mut connection = "host";
        if let Some((certificate, key)) = &self.settings.encrypted {
            for (name, text) in [("server.crt", certificate), ("server.key", key)] {
                let path = self.data().join(name);
                fs::write(&path, text).expect("the server's certificate");
                programs::run(std::process::Command::new("chmod").arg("600").arg(&path));
                programs::give(&path);
            }
            lines.push_str("\nssl = on");
            connection = "hostssl";
        }
        let access = format!(
            "host all,replication postgres 127.0.0.1/32 trust\n{connection} all all 127.0.0.1/32 {how}\n"
        );
        fs::write(self.data().join("pg_hba.conf"), access).expect("the server's configuration");
        let durability = if self.settings.durable { "on" } else { "off" };
        let configuration = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 300\n\
             fsync = {durability}\nfull_page_writes = {durability}\nshared_buffers = 64MB\n\
             autovacuum_naptime = 20s\nlog_line_prefix = '%m [%p] '\n{lines}\n",
            self.port(),
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
            let process = Leashed::spawn_ended_by("QUIT", &mut command, Some(self.folder()));
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
            if self.has_ended() {
                return Some(false);
            }
            connected(&url).await.map(|_| true)
        })
        .await
    }

    fn has_ended(&self) -> bool {
        let mut process = self.process();
        let exited = process.as_mut().map(Leashed::exited);
        !matches!(exited, Some(Ok(None)))
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

impl Drop for PostgresServer {
    /// One that is killed leaves shared memory behind, until it is started again in the same folder.
    fn drop(&mut self) {
        let Some(mut process) = self.process().take() else {
            return;
        };
        let _ = process.signal(Signal::QUIT);
        for _ in 0..1_000 {
            if !matches!(process.exited(), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    programs::run(
        programs::user_command("cp")
            .args(["-R", "-p"])
            .arg(from)
            .arg(to),
    );
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
