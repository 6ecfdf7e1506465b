//! The time by which rows expire: the same for every process on the host, and never behind what it was.
//!
//! Wall clocks are set, and a step forward would end every lease at once. So the wall clock is asked only when the
//! host has booted anew: by the first process that opens the database, which notes when the boot was. From
//! then on all processes add to that what the boot-time clock says, which nobody sets and which goes on
//! while the machine is suspended.
//!
//! Where the system does not say which boot this is, it is the wall clock, and a step of it moves expiry. Tokens and
//! versions depend on no clock.
//!
//! All processes have to be told of the same boot. One that is told of another one, or of none, as in a container that
//! hides `/proc/sys` or has a kernel of its own, goes by a time of its own once the wall clock was set. That it is
//! no later boot cannot be told from here: clocks may have been set back while the host was off.

use std::time::{Duration, SystemTime};

use crate::clock::since_boot;

/// The time in microseconds since 1970, more or less; compared only with others of the same database.
pub(super) type Time = i64;

#[derive(Debug, Clone, Copy)]
pub(super) enum HostClock {
    /// Counts from a boot at this time.
    Boot(Time),
    Wall,
}

impl HostClock {
    pub(super) fn now(self) -> Time {
        match self {
            Self::Boot(time) => time.saturating_add(microseconds(since_boot())),
            Self::Wall => wall_time(),
        }
    }
}

/// Which boot of the host this is, if the system tells.
pub(super) fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// When this boot was, if it is the first to look at a database that has seen the time `seen` before.
pub(super) fn boot_time(seen: Time) -> Time {
    wall_time()
        .max(seen)
        .saturating_sub(microseconds(since_boot()))
}

/// The end of something that lasts for `ttl` from `now` on.
pub(super) fn after(now: Time, ttl: Duration) -> Time {
    let ttl = i64::try_from(ttl.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX);
    now.saturating_add(ttl)
}

/// What is left at `now` of something that lasts until `end`.
pub(super) fn until(end: Time, now: Time) -> Duration {
    Duration::from_micros(end.saturating_sub(now).try_into().unwrap_or(0))
}

fn wall_time() -> Time {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    microseconds(now.unwrap_or_default())
}

fn microseconds(time: Duration) -> Time {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
