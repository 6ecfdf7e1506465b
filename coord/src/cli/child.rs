//! The command that runs under a lock.

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::process::Command;

use super::failure::{Failure, NO, NOT_FOUND, NOT_STARTED, Outcome, warn};
use super::processes::Processes;
use super::show;
use super::signals::{self, Signal, Signals};

/// A command that was started. It is not ended when this is dropped.
pub(super) struct Child(Processes);

/// How it came to its end.
pub(super) enum Ended {
    /// With this code.
    ByItself(u8),
    /// It was asked to, since the lock was lost.
    AfterLoss,
}

impl Child {
    pub(super) fn start(
        program: &OsString,
        arguments: &[OsString],
        variables: &[(&str, OsString)],
    ) -> Outcome<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        for (name, value) in variables {
            command.env(name, value);
        }
        let started = Processes::start(command);
        started.map(Self).map_err(|error| {
            let code = match error.kind() {
                io::ErrorKind::NotFound => NOT_FOUND,
                _ => NOT_STARTED,
            };
            let program = program.to_string_lossy();
            let program = show::text(&program);
            Failure::new(code, format!("cannot start `{program}`: {error}"))
        })
    }

    /// Waits until it has ended, and passes signals on. When `lost` resolves it is asked to end, and after
    /// `kill_after` made to; so is what it leaves behind when a signal has ended it.
    pub(super) async fn run(
        &mut self,
        lost: impl Future<Output = ()>,
        signals: &mut Signals,
        kill_after: Duration,
    ) -> Outcome<Ended> {
        tokio::pin!(lost);
        let mut was_asked = false;
        let status = loop {
            tokio::select! {
                // What has ended has ended, lost or not.
                biased;
                status = self.0.ended() => break status.map_err(|error| not_waited_for(&error))?,
                signal = signals.next() => {
                    self.0.pass_on(signal);
                    was_asked = true;
                }
                () = &mut lost => {
                    warn("the lock was lost: the command is asked to end");
                    self.0.send(Signal::Terminate);
                    self.end_within(kill_after, signals).await?;
                    return Ok(Ended::AfterLoss);
                }
            }
        };
        let was_ended = signals::has_ended(status);
        if was_ended && !was_asked {
            self.0.send(Signal::Terminate);
        }
        if was_ended || was_asked {
            self.end_within(kill_after, signals).await?;
        }
        Ok(Ended::ByItself(signals::code_of(status)))
    }

    async fn end_within(&mut self, time: Duration, signals: &mut Signals) -> Outcome {
        let too_late = tokio::time::sleep(time);
        tokio::pin!(too_late);
        loop {
            tokio::select! {
                biased;
                ended = self.0.all_ended() => return ended.map_err(|error| not_waited_for(&error)),
                signal = signals.next() => self.0.send(signal),
                () = &mut too_late => break,
            }
        }
        warn("what is left of the command has not ended, and is killed");
        self.0.kill().await.map_err(|error| not_waited_for(&error))
    }
}

fn not_waited_for(error: &io::Error) -> Failure {
    Failure::new(NO, format!("cannot wait for the command: {error}"))
}
