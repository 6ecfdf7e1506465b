//! `coord lock`.

use std::ffi::OsString;
use std::time::Duration;

use super::arguments::{self, Global};
use super::child::{Child, Ended};
use super::connection::{close, connect};
use super::failure::{Failure, HELD, LOST, Outcome, USAGE, warn};
use super::show;
use super::signals::{Signal, Signals};
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::lock::{Lease, LockBuilder};

/// How long giving the lock back may still take once a signal asks to end.
const HURRIED: Duration = Duration::from_secs(1);

/// The variables that tell the command what it runs under.
const TOKEN: &str = "COORD_FENCING_TOKEN";
const KEY: &str = "COORD_LOCK_KEY";

pub(super) async fn run(global: &Global, said: arguments::Lock) -> Outcome<u8> {
    let mut signals = Signals::hear()?;
    let coordinator = tokio::select! {
        connected = connect(global) => connected?,
        signal = signals.next() => return Ok(signal.exit_code()),
    };
    let acquired = tokio::select! {
        acquired = acquire(&coordinator, &said) => acquired,
        // Dropping it has left the line.
        signal = signals.next() => Ok(Err(signal)),
    };
    let outcome = match acquired {
        Ok(Ok(lease)) => under(lease, &said, &mut signals).await,
        Ok(Err(signal)) => Ok(signal.exit_code()),
        Err(failure) => Err(failure),
    };
    close(&coordinator).await;
    outcome
}

async fn acquire(
    coordinator: &Coordinator,
    said: &arguments::Lock,
) -> Outcome<Result<Lease, Signal>> {
    let key = said.key.as_str();
    let held = |what: &str| {
        let key = show::text(key);
        Failure::new(HELD, format!("`{key}` {what}"))
    };
    let lease = match said.permits {
        Some(permits) => get(coordinator.semaphore(key, permits), said).await,
        None if said.shared => get(coordinator.rw_lock(key).read(), said).await,
        None => get(coordinator.lock(key), said).await,
    };
    match lease {
        Ok(Some(lease)) => Ok(Ok(lease)),
        Ok(None) => Err(held("is held elsewhere, so the command was not run")),
        Err(Error::LockTimeout { waited, .. }) => Err(held(&format!(
            "was not free within {}, so the command was not run",
            show::duration(waited)
        ))),
        Err(error) => Err(error.into()),
    }
}

async fn get<Form>(
    lock: LockBuilder<Form>,
    said: &arguments::Lock,
) -> Result<Option<Lease>, Error> {
    let mut lock = lock
        .ttl(said.ttl)
        .at_least(said.at_least)
        .label(said.label.clone().unwrap_or_else(default_label));
    if said.skip {
        return lock.try_acquire().await;
    }
    if let Some(wait) = said.wait {
        lock = lock.wait(wait);
    }
    lock.acquire().await.map(Some)
}

/// Runs the command, and gives the lock back when it has ended.
async fn under(lease: Lease, said: &arguments::Lock, signals: &mut Signals) -> Outcome<u8> {
    let Some((program, arguments)) = said.command.split_first() else {
        return Err(Failure::new(USAGE, "there is no command to run"));
    };
    let variables: [(&str, OsString); 2] = [
        (TOKEN, lease.token().to_string().into()),
        (KEY, said.key.clone().into()),
    ];
    let mut child = match Child::start(program, arguments, &variables) {
        Ok(child) => child,
        Err(failure) => {
            // Another host may have what this one lacks.
            give_back(lease.without_at_least(), signals).await;
            return Err(failure);
        }
    };
    let ended = child.run(lease.lost(), signals, said.kill_after).await?;
    let was_lost = give_back(lease, signals).await;
    match ended {
        Ended::AfterLoss => Err(Failure::new(
            LOST,
            "the lock was lost while the command ran, so it was ended; another process may have run meanwhile",
        )),
        Ended::ByItself(_) if was_lost => Err(Failure::new(
            LOST,
            "the lock was lost while the command ran; another process may have run meanwhile",
        )),
        Ended::ByItself(code) => Ok(code),
    }
}

/// Gives the lock back, and says whether it had been lost. That can take until the lease ends, if the store cannot be
/// reached; a signal ends it sooner, and leaves it to the background for as long as this process still takes.
async fn give_back(lease: Lease, signals: &mut Signals) -> bool {
    let hurried = async {
        signals.next().await;
        tokio::time::sleep(HURRIED).await;
    };
    let problem = tokio::select! {
        released = lease.release() => match released {
            Ok(()) => return false,
            Err(Error::LockLost { .. }) => return true,
            Err(error) => error.to_string(),
        },
        () = hurried => "the store has not answered before a signal came".to_owned(),
    };
    warn(&format!(
        "the lock was not given back, and ends with its ttl: {problem}"
    ));
    false
}

/// The host and the process.
fn default_label() -> String {
    #[cfg(unix)]
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    #[cfg(not(unix))]
    let host = std::env::var("COMPUTERNAME").unwrap_or_default();
    format!("{host}, process {}", std::process::id())
}
