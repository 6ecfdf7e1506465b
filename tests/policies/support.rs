//! A downstream that fails as it is told, and time as a test sees it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What a downstream says when it fails.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Failure {
    /// Worth a retry.
    Busy,
    /// Not worth one.
    Refused,
    /// One of ours, as text.
    Ours(String),
}

impl Failure {
    pub(crate) fn is_transient(&self) -> bool {
        *self == Self::Busy
    }
}

impl From<coord::Error> for Failure {
    fn from(error: coord::Error) -> Self {
        Self::Ours(format!("{error:?}"))
    }
}

/// Something that is called.
#[derive(Debug, Default)]
pub(crate) struct Downstream {
    calls: AtomicU32,
    times: Mutex<Vec<Instant>>,
}

impl Downstream {
    /// Fails with `failure` but for the call `succeeds`, counted from 1, which returns its number.
    pub(crate) async fn call(&self, succeeds: u32, failure: Failure) -> Result<u32, Failure> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.times.lock().unwrap().push(Instant::now());
        tokio::task::yield_now().await;
        if call == succeeds {
            Ok(call)
        } else {
            Err(failure)
        }
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// What lay between the calls.
    pub(crate) fn pauses(&self) -> Vec<Duration> {
        let times = self.times.lock().unwrap();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
