//! The processes of a command: its own, and those that it has started.
//!
//! Outside of a terminal's foreground they are a group of their own, so that a signal reaches all of them and it can be
//! seen whether any is left. In the foreground they stay in the group of this process, since a terminal lets no other
//! read from it; there only the command's own process is known.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::signals::{self, Signal};

/// How often to look whether any is left. Nothing tells of it.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long those that were killed may take to be gone. It is for the system to do.
const KILLED_WITHIN: Duration = Duration::from_secs(1);

/// The processes of a command that was started. They are not ended when this is dropped.
pub(super) struct Processes {
    own: Child,
    group: Option<Group>,
}

impl Processes {
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        let is_apart = Group::put_apart(&mut command);
        let own = command.spawn()?;
        let group = own.id().filter(|_| is_apart).and_then(Group::of);
        Ok(Self { own, group })
    }

    /// Waits for the command's own process. It may have left others behind.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.own.wait().await
    }

    /// Waits until none is left that can be seen.
    pub(super) async fn all_ended(&mut self) -> io::Result<()> {
        self.own.wait().await?;
        while self.group.as_ref().is_some_and(Group::is_left) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Passes a signal on that this process has got, unless a terminal has sent it to all of them.
    pub(super) fn pass_on(&mut self, signal: Signal) {
        if self.group.is_some() || !signals::reaches_foreground(signal) {
            self.send(signal);
        }
    }

    pub(super) fn send(&mut self, signal: Signal) {
        match &self.group {
            Some(group) => group.send(signal),
            None => signals::send(&mut self.own, signal),
        }
    }

    pub(super) async fn kill(&mut self) -> io::Result<()> {
        if let Some(group) = &self.group {
            group.kill();
        }
        // One that has ended already cannot be killed.
        let _ = self.own.start_kill();
        self.own.wait().await?;
        let all_ended = tokio::time::timeout(KILLED_WITHIN, self.all_ended());
        all_ended.await.unwrap_or(Ok(()))
    }
}

/// A group of processes, named by the process that was the first of it.
#[cfg(unix)]
struct Group(rustix::process::Pid);

#[cfg(unix)]
impl Group {
    /// Has a command start as the first of a group, if it can be without the terminal.
    fn put_apart(command: &mut Command) -> bool {
        let is_apart = !signals::is_foreground();
        if is_apart {
            command.process_group(0);
        }
        is_apart
    }

    fn of(first: u32) -> Option<Self> {
        let first = i32::try_from(first).ok()?;
        rustix::process::Pid::from_raw(first).map(Self)
    }

    /// Whether there is anything in it, once its first has been waited for.
    fn is_left(&self) -> bool {
        use rustix::process::{WaitOptions, test_kill_process_group, waitpgid};
        // Those whose parent has ended are given to the first process of the machine or the container, which may be this
        // one. What nobody has waited for stays in the group.
        while let Ok(Some(_)) = waitpgid(self.0, WaitOptions::NOHANG) {}
        test_kill_process_group(self.0) != Err(rustix::io::Errno::SRCH)
    }

    fn send(&self, signal: Signal) {
        // One that has ended meanwhile needs no signal.
        let _ = rustix::process::kill_process_group(self.0, signal.raw());
    }

    fn kill(&self) {
        let _ = rustix::process::kill_process_group(self.0, rustix::process::Signal::KILL);
    }
}

/// There are no such groups.
#[cfg(not(unix))]
enum Group {}

#[cfg(not(unix))]
impl Group {
    fn put_apart(_: &mut Command) -> bool {
        false
    }

    fn of(_: u32) -> Option<Self> {
        None
    }

    fn is_left(&self) -> bool {
        match *self {}
    }

    fn send(&self, _: Signal) {
        match *self {}
    }

    fn kill(&self) {
        match *self {}
    }
}
