//! A Prometheus server of a test's own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::leash::Leashed;
use crate::port::Port;
use crate::wait::until;

/// Names the program, if it is not `prometheus`.
const PROGRAM: &str = "COORD_PROMETHEUS";

/// A Prometheus server, ended when this is dropped.
#[derive(Debug)]
pub struct PrometheusServer {
    port: Port,
    folder: TempDir,
    process: Mutex<Leashed>,
}

impl PrometheusServer {
    /// Starts one with this configuration, which finds the files it names by their whole paths.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn start(configuration: &str) -> Self {
        let port = Port::claim().expect("a port for Prometheus");
        let folder = tempfile::tempdir().expect("a folder for Prometheus");
        fs::write(folder.path().join("prometheus.yml"), configuration).expect("its configuration");
        let log = File::create(folder.path().join("prometheus.log")).expect("its log");
        let program = std::env::var_os(PROGRAM).unwrap_or_else(|| OsString::from("prometheus"));
        let mut command = Command::new(&program);
        command
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={}", port.addr()))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("its log, once more"))
            .stderr(log);
        let process = Leashed::spawn(&mut command, Some(folder.path())).unwrap_or_else(|error| {
            panic!(
                "cannot start {}: {error}. `tests/run` installs Prometheus; {PROGRAM} names another program",
                program.display()
            )
        });
        let server = Self {
            port,
            folder,
            process: Mutex::new(process),
        };
        until("Prometheus to be ready", async || {
            server.check_it_runs();
            server.is_ready().await.then_some(())
        })
        .await;
        server
    }

    /// Where it listens: `127.0.0.1:…`.
    pub fn address(&self) -> String {
        self.port.addr().to_string()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder().join("prometheus.log")).unwrap_or_default()
    }

    async fn is_ready(&self) -> bool {
        let asked = async {
            let mut connection = TcpStream::connect(self.port.addr()).await?;
            connection
                .write_all(b"GET /-/ready HTTP/1.0\r\n\r\n")
                .await?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await?;
            Ok::<_, io::Error>(answer)
        };
        let answer = asked.await.unwrap_or_default();
        answer
            .lines()
            .next()
            .is_some_and(|line| line.contains(" 200 "))
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn check_it_runs(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let exited = process.exited().expect("the state of Prometheus");
        assert!(
            exited.is_none(),
            "Prometheus ended at its start: {exited:?}\n{}",
            self.log()
        );
    }
}
