//! Processes of ours that tests talk to line by line.
//!
//! A test starts a binary of this package with [`Worker::spawn`], tells it what to do in lines on its
//! standard input, and reads lines from its standard output. The binary uses [`Commands`] and [`say`].

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::process::Signal;
use tokio::sync::mpsc;

use crate::leash::Leashed;
use crate::wait::{PATIENCE, until};

/// A child process. Dropping it kills it. Its standard error is that of the test.
#[derive(Debug)]
pub struct Worker {
    process: Mutex<Leashed>,
    input: ChildStdin,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Worker {
    /// Starts the program at `path`, which for a binary of this package is `env!("CARGO_BIN_EXE_<name>")`.
    pub fn spawn<A: AsRef<OsStr>>(path: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(path);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Leashed::spawn(&mut command, None)
            .unwrap_or_else(|error| panic!("cannot start the worker {path}: {error}"));
        let input = process
            .child()
            .stdin
            .take()
            .expect("the worker's standard input");
        let output = process
            .child()
            .stdout
            .take()
            .expect("the worker's standard output");
        let (sender, lines) = mpsc::unbounded_channel();
        // Ends with the worker's output, or when nobody wants the lines any more.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            process: Mutex::new(process),
            input,
            lines,
        }
    }

    /// Sends one line. A worker that has ended gets nothing.
    pub fn send_line(&mut self, line: &str) {
        let _ = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
    }

    /// The next line that the worker writes; `None` when it has closed its output or ended.
    ///
    /// # Panics
    ///
    /// When nothing comes for [`PATIENCE`] by tokio's clock.
    pub async fn next_line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
        line.expect("a line from the worker in time")
    }

    /// The rest of the next line, which must begin with `prefix`.
    ///
    /// # Panics
    ///
    /// When the line begins otherwise, and when none comes.
    pub async fn expect_line(&mut self, prefix: &str) -> String {
        let line = self.next_line().await;
        let rest = line.as_deref().and_then(|line| line.strip_prefix(prefix));
        rest.unwrap_or_else(|| {
            panic!("wanted a line that begins with {prefix:?}, the worker wrote {line:?}")
        })
        .to_owned()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process().child().id()
    }

    /// Kills the worker. Its output ends.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Suspends the worker, as a long garbage collection or a suspended machine would.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a paused worker go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits until the process has ended, and tells whether it ended well.
    pub async fn until_exit(&self) -> bool {
        let status = until("the worker to end", async || {
            self.process().exited().expect("the state of the worker")
        })
        .await;
        status.success()
    }

    fn signal(&self, signal: Signal) {
        self.process()
            .signal(signal)
            .expect("a signal to the worker");
    }

    fn process(&self) -> MutexGuard<'_, Leashed> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In a worker: the lines that the test sends.
///
/// When the test is gone, so that no line can come any more, the process exits, whatever it is doing.
#[derive(Debug)]
pub struct Commands {
    lines: mpsc::UnboundedReceiver<String>,
}

impl Commands {
    /// Takes over the standard input.
    pub fn listen() -> Self {
        let (sender, lines) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for line in io::stdin().lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
            std::process::exit(0);
        });
        Self { lines }
    }

    /// The next line.
    pub async fn next(&mut self) -> String {
        match self.lines.recv().await {
            Some(line) => line,
            // The process is about to exit.
            None => std::future::pending().await,
        }
    }
}

/// In a worker: writes one line to the test.
pub fn say(line: impl std::fmt::Display) {
    let mut output = io::stdout().lock();
    // A test that is gone reads nothing.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
