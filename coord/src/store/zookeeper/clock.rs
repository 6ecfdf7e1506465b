//! The server's time, as it is known here.
//!
//! Each change of a node has the leader's time on it. That time has passed when the answer comes, so it and the time
//! since then are never ahead of the server's: whoever is taken for dead by it is dead. The answer that came soonest
//! is the most exact, so the greatest of such times counts, of those of the last seconds.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long answers are gathered before the ones before them are forgotten.
const SPAN: Duration = Duration::from_secs(5);
/// How old the last answer may be.
const LASTS: Duration = Duration::from_secs(20);

/// A time of the server's, in milliseconds.
pub(super) type Time = u64;

#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    heard: Mutex<Heard>,
}

/// By how many microseconds the server is ahead of `started`, at least.
#[derive(Debug, Default)]
struct Heard {
    before: Option<i64>,
    now: Option<(Instant, i64)>,
    last: Option<Instant>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            heard: Mutex::default(),
        }
    }

    /// A change that was answered just now was made at this time.
    pub(super) fn hear(&self, changed_at: Time) {
        let now = Instant::now();
        let ahead = i64::try_from(changed_at)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000)
            .saturating_sub(self.microseconds(now));
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.last = Some(now);
        match &mut heard.now {
            Some((since, greatest)) if now.duration_since(*since) < SPAN => {
                *greatest = ahead.max(*greatest);
            }
            _ => {
                heard.before = heard.now.take().map(|(_, greatest)| greatest);
                heard.now = Some((now, ahead));
            }
        }
    }

    /// Another server may have another time.
    pub(super) fn forget(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Heard::default();
    }

    /// The server's time, or a little earlier. None if nothing was heard of it lately.
    pub(super) fn now(&self) -> Option<Time> {
        let now = Instant::now();
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard
            .last
            .filter(|last| now.duration_since(*last) < LASTS)?;
        let (_, ahead) = heard.now?;
        let ahead = heard.before.map_or(ahead, |before| before.max(ahead));
        let time = self.microseconds(now).saturating_add(ahead) / 1_000;
        Time::try_from(time).ok()
    }

    fn microseconds(&self, at: Instant) -> i64 {
        i64::try_from(at.duration_since(self.started).as_micros()).unwrap_or(i64::MAX)
    }
}

/// A ttl in whole milliseconds, rounded up.
pub(super) fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// What is left until then.
pub(super) fn until(time: Time, now: Time) -> Duration {
    Duration::from_millis(time.saturating_sub(now))
}
