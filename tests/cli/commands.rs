//! Running the binary, and what it answers.

use std::process::{Output, Stdio};

use coord::Coordinator;
use coord_tests::{new_sqlite, shared_redis, sqlite_url, store_at, unique};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A store and a namespace that no other test uses.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) namespace: String,
}

/// What a run of the binary said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A run of the binary that goes on.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Place {
    pub(crate) fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            namespace: unique("cli"),
        }
    }

    pub(crate) fn on_sqlite() -> Self {
        Self::at(sqlite_url(&new_sqlite()))
    }

    pub(crate) async fn on_redis() -> Self {
        Self::at(shared_redis().await)
    }

    /// A process of the service that uses the same store.
    pub(crate) async fn service(&self) -> Coordinator {
        Coordinator::builder()
            .store(store_at(&self.url).await)
            .namespace(&self.namespace)
            .build()
    }

    /// The binary with these arguments, and nothing else that it could take its orders from.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = plain(arguments);
        command
            .env("COORD_URL", &self.url)
            .env("COORD_NAMESPACE", &self.namespace);
        command
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Said {
        finish(self.command(arguments)).await
    }

    /// Runs it to its end, which is a good one: what it wrote.
    pub(crate) async fn answer(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments).await;
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        said.out
    }

    /// The same in JSON.
    pub(crate) async fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let arguments = [arguments, &["--json"]].concat();
        let out = self.answer(&arguments).await;
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Starts it, with a shell that runs `script` under a lock.
    pub(crate) fn lock(&self, options: &[&str], script: &str) -> Running {
        let all = [&["lock"], options, &["--", "sh", "-c", script]].concat();
        Running::start(self.command(&all))
    }

    /// The same, to its end.
    pub(crate) async fn locked(&self, options: &[&str], script: &str) -> Said {
        let all = [&["lock"], options, &["--", "sh", "-c", script]].concat();
        self.run(&all).await
    }
}

/// The binary, told of no store.
pub(crate) fn plain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coord_cli"));
    for variable in [
        "COORD_URL",
        "COORD_NAMESPACE",
        "NO_COLOR",
        "CLICOLOR_FORCE",
        "CLICOLOR",
    ] {
        command.env_remove(variable);
    }
    command
        .args(arguments)
        // Not in the foreground of whatever terminal the tests run at.
        .process_group(0)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Whether all that the tests start ignores a signal, since they were started under `nohup` or the like.
pub(crate) fn is_ignored(signal: rustix::process::Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    ignored.unwrap_or_default() >> (signal.as_raw() - 1) & 1 == 1
}

pub(crate) async fn finish(mut command: Command) -> Said {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().await.expect("the binary to run");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said {
        code: status.code(),
        out: text(stdout),
        err: text(stderr),
    }
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary to start");
        let out = child.stdout.take().expect("its output");
        Self {
            child,
            lines: BufReader::new(out).lines(),
        }
    }

    /// The next line that it, or what it runs, writes.
    pub(crate) async fn line(&mut self) -> String {
        let line = self.lines.next_line().await.expect("text");
        line.expect("another line")
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.expect("a process"), signal).expect("a signal to it");
    }

    /// Waits for its end. What it wrote that was not read yet is with it.
    pub(crate) async fn end(mut self) -> Said {
        drop(self.child.stdin.take());
        let mut out = String::new();
        while let Some(line) = self.lines.next_line().await.expect("text") {
            out += &line;
            out.push('\n');
        }
        let output = self.child.wait_with_output().await.expect("its end");
        Said {
            code: output.status.code(),
            out,
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}
