//! Signals that ask a process to end, and children that get them passed on.

use std::process::ExitStatus;
#[cfg(unix)]
use std::task::Poll;

/// A signal that asks to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Interrupt,
    Terminate,
    HangUp,
}

impl Signal {
    /// What a shell says of a command that was ended by it.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::HangUp => 129,
        }
    }

    #[cfg(unix)]
    pub(super) fn raw(self) -> rustix::process::Signal {
        match self {
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Terminate => rustix::process::Signal::TERM,
            Self::HangUp => rustix::process::Signal::HUP,
        }
    }
}

/// Hears signals, from when it is made on. They end the process no more. Those that it was started to ignore, by `nohup` or
/// by `&` in a script, stay ignored, by children too.
#[cfg(unix)]
pub(super) struct Signals(Vec<(Signal, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Signals {
    pub(super) fn hear() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let ignored = ignored();
        let kinds = [
            (Signal::Interrupt, SignalKind::interrupt()),
            (Signal::Terminate, SignalKind::terminate()),
            (Signal::HangUp, SignalKind::hangup()),
        ];
        let heard = kinds
            .into_iter()
            .filter(|(_, kind)| ignored & bit(kind.as_raw_value()) == 0)
            .map(|(one, kind)| Ok((one, signal(kind)?)));
        heard.collect::<std::io::Result<_>>().map(Self)
    }

    pub(super) async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            let came = self
                .0
                .iter_mut()
                .find_map(|(one, source)| source.poll_recv(context).is_ready().then_some(*one));
            came.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// The signals that this process ignores, a bit for each, where the system says so: on Linux.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    ignored.unwrap_or_default()
}

#[cfg(unix)]
fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

#[cfg(not(unix))]
pub(super) struct Signals(());

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub(super) fn hear() -> std::io::Result<Self> {
        Ok(Self(()))
    }

    pub(super) async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}

/// Sends a signal to a child that has not been waited for yet.
#[cfg(unix)]
pub(super) fn send(child: &mut tokio::process::Child, signal: Signal) {
    use rustix::process::{Pid, kill_process};
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id.and_then(Pid::from_raw) {
        // One that has ended meanwhile needs no signal.
        let _ = kill_process(id, signal.raw());
    }
}

/// There is nothing gentler.
#[cfg(not(unix))]
pub(super) fn send(child: &mut tokio::process::Child, _: Signal) {
    let _ = child.start_kill();
}

/// Whether a signal like this comes from a key of the terminal, which sends it to all that is in the foreground, as this
/// process is.
pub(super) fn reaches_foreground(signal: Signal) -> bool {
    signal == Signal::Interrupt && is_foreground()
}

/// Whether this process is in the foreground of a terminal.
#[cfg(unix)]
pub(super) fn is_foreground() -> bool {
    let foreground = || {
        let terminal = std::fs::File::open("/dev/tty").ok()?;
        rustix::termios::tcgetpgrp(terminal).ok()
    };
    foreground() == Some(rustix::process::getpgrp())
}

#[cfg(not(unix))]
fn is_foreground() -> bool {
    true
}

/// Whether a signal has ended a child.
pub(super) fn has_ended(status: ExitStatus) -> bool {
    status.code().is_none()
}

/// The code of a child as a shell would say it: its own, or 128 and the number of the signal that ended it.
pub(super) fn code_of(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        if let Some(signal) = status.signal() {
            return u8::try_from(128 + signal).unwrap_or(u8::MAX);
        }
    }
    let code = status.code().unwrap_or(1);
    u8::try_from(code & 0xff).unwrap_or(1)
}
