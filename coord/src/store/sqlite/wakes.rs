//! Who waits in this process for what, and how they hear of it.
//!
//! What this process commits is told exactly. That another process has committed shows in the number that SQLite
//! keeps for that; whoever waits here is then compared with what is there. So nothing is written for the sake
//! of waking, and looking costs what is waited for here.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::clock::Time;
use super::leases::{self, Standing};
use super::{logs, records};
use crate::store::{
    FencingToken, LeaseId, OwnerId, OwnerMap, Version, Wake, WakeSender, Watch, Watched,
};

/// How soon the database is looked at again after something has changed.
const SHORTEST: Duration = Duration::from_micros(500);
/// How soon when nothing changes.
const LONGEST: Duration = Duration::from_millis(10);
/// Looking takes up to one part in so many of the time.
const SHARE: u32 = 4;

/// What a transaction has to tell once it is committed.
pub(super) type News = Vec<Event>;

pub(super) enum Event {
    Changed(Watched),
    Granted { owner: OwnerId, token: FencingToken },
}

#[derive(Default)]
pub(super) struct Wakes {
    watched: HashMap<Watched, Watchers>,
    waiters: OwnerMap<Waiters>,
    /// SQLite's number, as it was when everything was compared last.
    version: i64,
    /// How long to wait between two looks.
    pace: Duration,
    last_look: Option<Instant>,
}

struct Watchers {
    senders: Vec<WakeSender>,
    last: State,
}

/// One who waits in line; several if it has asked again.
struct Waiters {
    lease: LeaseId,
    senders: Vec<WakeSender>,
}

/// What is compared of something that is watched.
#[derive(PartialEq, Eq)]
enum State {
    Record(Option<Version>),
    Line(usize, Option<FencingToken>),
    Log(u64),
}

impl State {
    fn of(connection: &Connection, watched: &Watched, now: Time) -> rusqlite::Result<Self> {
        Ok(match watched {
            Watched::Record(key) => Self::Record(records::version(connection, key, now)?),
            Watched::Log(log) => Self::Log(logs::len_at(connection, log, now)?),
            Watched::Lease(resource) => {
                let (count, greatest) = leases::traits(connection, resource, now)?;
                Self::Line(count, greatest)
            }
        })
    }
}

impl Wakes {
    /// Whether anybody may be waiting.
    pub(super) fn are_wanted(&self) -> bool {
        !self.watched.is_empty() || !self.waiters.is_empty()
    }

    /// A watch for one that waits in line.
    pub(super) fn wait_in_line(&mut self, lease: &LeaseId) -> Watch {
        let (sender, watch) = Watch::channel();
        let waiters = self.waiters.entry(lease.owner).or_insert_with(|| Waiters {
            lease: lease.clone(),
            senders: Vec::new(),
        });
        waiters.senders.push(sender);
        self.pace = SHORTEST;
        watch
    }

    /// A watch of something as it is now.
    pub(super) fn watch(
        &mut self,
        connection: &Connection,
        watched: Watched,
        now: Time,
    ) -> rusqlite::Result<Watch> {
        let last = State::of(connection, &watched, now)?;
        let (sender, watch) = Watch::channel();
        self.watched
            .entry(watched)
            .or_insert_with(|| Watchers {
                senders: Vec::new(),
                last,
            })
            .senders
            .push(sender);
        self.pace = SHORTEST;
        Ok(watch)
    }

    /// Tells what this process has committed.
    pub(super) fn tell(&mut self, news: News) {
        for event in news {
            match event {
                Event::Changed(watched) => {
                    if let Some(watchers) = self.watched.get(&watched) {
                        wake(&watchers.senders, Wake::Look);
                    }
                }
                Event::Granted { owner, token } => {
                    if let Some(waiters) = self.waiters.remove(&owner) {
                        wake(&waiters.senders, Wake::Granted(token));
                    }
                }
            }
        }
    }

    /// For how long nothing need be looked at; `None` if nobody waits.
    pub(super) fn patience(&mut self) -> Option<Duration> {
        self.forget_the_dropped();
        self.are_wanted().then(|| self.until_next_look())
    }

    fn until_next_look(&self) -> Duration {
        self.last_look.map_or(Duration::ZERO, |last| {
            self.pace.saturating_sub(last.elapsed())
        })
    }

    /// Looks at what other processes have committed since the last time, if it is time to.
    pub(super) fn look_at_others(&mut self, connection: &Connection, now: Time) {
        if !self.are_wanted() || !self.until_next_look().is_zero() {
            return;
        }
        let began = Instant::now();
        self.last_look = Some(began);
        match version(connection) {
            Ok(version) if version == self.version => self.pace = (self.pace * 2).min(LONGEST),
            Ok(version) => {
                self.version = version;
                let compared = self.compare(connection, now);
                // Whoever waits looks itself then, and is told what is wrong.
                compared.unwrap_or_else(|_| self.wake_all());
                self.pace = SHORTEST.max(began.elapsed() * SHARE);
            }
            Err(_) => {
                self.wake_all();
                self.pace = LONGEST;
            }
        }
    }

    fn compare(&mut self, connection: &Connection, now: Time) -> rusqlite::Result<()> {
        for (watched, watchers) in &mut self.watched {
            let state = State::of(connection, watched, now)?;
            if state != watchers.last {
                watchers.last = state;
                wake(&watchers.senders, Wake::Look);
            }
        }
        let leases = self.waiters.values().map(|waiters| &waiters.lease);
        for (owner, standing) in leases::standings(connection, leases, now)? {
            let told = match standing {
                Standing::Waits => continue,
                Standing::Holds(token) => Wake::Granted(token),
                Standing::Unsettled => Wake::Look,
            };
            if let Some(waiters) = self.waiters.remove(&owner) {
                wake(&waiters.senders, told);
            }
        }
        Ok(())
    }

    fn wake_all(&self) {
        let watchers = self.watched.values().map(|watchers| &watchers.senders);
        let waiters = self.waiters.values().map(|waiters| &waiters.senders);
        watchers
            .chain(waiters)
            .for_each(|senders| wake(senders, Wake::Look));
    }

    fn forget_the_dropped(&mut self) {
        self.watched.retain(|_, watchers| {
            watchers.senders.retain(WakeSender::is_watched);
            !watchers.senders.is_empty()
        });
        self.waiters.retain(|_, waiters| {
            waiters.senders.retain(WakeSender::is_watched);
            !waiters.senders.is_empty()
        });
    }
}

fn wake(senders: &[WakeSender], with: Wake) {
    for sender in senders {
        sender.wake(with);
    }
}

/// A number that is another one whenever another connection has committed.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))
}
