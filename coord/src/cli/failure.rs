//! How a command ends that did not do what was asked.

use std::error::Error as StdError;
use std::io;
use std::process::ExitCode;

use super::secrets;
use crate::error::{Error, StoreError, StoreErrorKind};

/// There is nothing of that name, it was not in a state for what was asked, or somebody has said no.
pub(super) const NO: u8 = 1;
/// What was said makes no sense.
pub(super) const USAGE: u8 = 2;
/// The store cannot be reached, has failed, or does not offer what was asked.
pub(super) const UNAVAILABLE: u8 = 69;
/// The lock is held elsewhere.
pub(super) const HELD: u8 = 75;
/// The lock was lost while the command ran.
pub(super) const LOST: u8 = 76;
/// The store refuses us.
pub(super) const DENIED: u8 = 77;
/// The command could not be started.
pub(super) const NOT_STARTED: u8 = 126;
/// There is no such command.
pub(super) const NOT_FOUND: u8 = 127;
/// Nobody reads the output any more: what a shell says of one that was ended by `SIGPIPE`.
const BROKEN_PIPE: u8 = 141;

/// What a command ends with, other than success.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u8,
    /// What is said of it, unless it speaks for itself.
    message: Option<String>,
}

pub(super) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }

    /// One of which nothing has to be said.
    pub(super) fn silent(code: u8) -> Self {
        Self {
            code,
            message: None,
        }
    }

    /// Tells of it, and turns it into the code of the process.
    pub(super) fn tell(&self) -> ExitCode {
        if let Some(message) = &self.message {
            say("error", anstyle::AnsiColor::Red, message);
        }
        ExitCode::from(self.code)
    }
}

/// Says something on the standard error. If nobody hears it, so be it.
pub(super) fn say(what: &str, color: anstyle::AnsiColor, message: &str) {
    use std::io::Write as _;
    let style = color.on_default().bold();
    let message = secrets::concealed(message);
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{style}{what}:{style:#} {message}");
}

/// Says what somebody should know.
pub(super) fn warn(message: &str) {
    say("warning", anstyle::AnsiColor::Yellow, message);
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Store(error) => Self::of_store(error),
            Error::InvalidKey { problem, .. } => {
                Self::new(USAGE, format!("the key cannot be used: {problem}"))
            }
            Error::InvalidUrl { .. } | Error::InvalidOption { .. } => {
                Self::new(USAGE, error.to_string())
            }
            Error::ResultShapeChanged { problem, .. } => Self::new(
                UNAVAILABLE,
                format!("what is stored there cannot be read: {problem}"),
            ),
            Error::LockTimeout { .. } => Self::new(HELD, "it was not free in time"),
            Error::LockLost { .. } => Self::new(LOST, "the lock was lost"),
            _ => Self::new(NO, error.to_string()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of_store(&error)
    }
}

impl Failure {
    fn of_store(error: &StoreError) -> Self {
        let code = match error.kind() {
            StoreErrorKind::Denied => DENIED,
            StoreErrorKind::Rejected => USAGE,
            _ => UNAVAILABLE,
        };
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(one) = cause {
            message.push_str("\n  because: ");
            message.push_str(&one.to_string());
            cause = one.source();
        }
        Self::new(code, message)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(BROKEN_PIPE);
        }
        Self::new(NO, format!("cannot write the output: {error}"))
    }
}
