//! Child processes that end with the test process, even when that is killed.
//!
//! A child cannot be told safely to die with its parent, so each has a guard beside it: a shell that reads
//! from a pipe whose other end only the test process holds. When the test process is gone, the guard reads
//! the end of the file and kills the child.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

const GUARD: &str = r#"trap "" INT HUP TERM
read -r _
kill "-$3" "$1"
[ -z "$2" ] || rm -rf -- "$2""#;

/// A child process and its guard. Dropping it kills the child.
#[derive(Debug)]
pub(crate) struct Leashed {
    child: Child,
    guard: Child,
}

impl Leashed {
    /// Starts `command`. `litter` is a folder to remove if the test process ends without dropping this.
    pub(crate) fn spawn(command: &mut Command, litter: Option<&Path>) -> io::Result<Self> {
        Self::spawn_ended_by("KILL", command, litter)
    }

    /// The same for one that the guard ends with another signal, because it has something to tidy up.
    pub(crate) fn spawn_ended_by(
        signal: &str,
        command: &mut Command,
        litter: Option<&Path>,
    ) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &child.id().to_string()])
            .arg(litter.map_or(OsStr::new(""), Path::as_os_str))
            .arg(signal)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { child, guard }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// The child, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends `signal` to the child, unless it has ended. One that is to stop does nothing any more when this returns.
    pub(crate) fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if self.exited()?.is_none() {
            let child = Pid::from_child(&self.child);
            kill_process(child, signal)?;
            if signal == Signal::STOP {
                let happened =
                    WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                waitid(WaitId::Pid(child), happened)?;
            }
        }
        Ok(())
    }

    /// How the child ended, if it has.
    pub(crate) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        // The guard goes before the child is reaped: until then the child's number belongs to no other process.
        // An error here means that the process has ended already.
        let _ = self.child.kill();
        let _ = self.guard.kill();
        let _ = self.child.wait();
        let _ = self.guard.wait();
    }
}

const SWEEPER: &str = r#"trap "" INT HUP TERM
read -r _
rm -rf -- "$1""#;

/// A folder for the whole test process, removed when that is gone.
///
/// # Panics
///
/// When it cannot be made.
pub(crate) fn folder_of_the_process() -> PathBuf {
    static FOLDER: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        let sweeper = Command::new("sh")
            .args(["-c", SWEEPER, "sweeper"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        (folder, sweeper.expect("a shell that removes the folder"))
    };
    FOLDER.get_or_init(make).0.clone()
}
