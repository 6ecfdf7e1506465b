//! What this process knows of lines, and of its contenders in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::MutexGuard as Turn;

use super::cell::Mark;
use super::clock::Time;
use super::failure;
use super::link::Link;
use super::stored_line::Deadline;
use crate::store::line::Member;
use crate::store::released::Released;
use crate::store::{LeaseId, OwnerId, OwnerMap, Result, Watch};

/// How many lines take turns together.
const TURNS: usize = 64;
/// How many lines are known without being read, at the most.
const KNOWN_AT_MOST: usize = 4_096;
const LEFT_AT_MOST: usize = 100_000;

pub(super) struct Lines {
    /// One of this process's at a time changes a line, so that they do not get in each other's way.
    turns: Vec<tokio::sync::Mutex<()>>,
    known: Mutex<HashMap<String, Known>>,
    waiting: Arc<Waiting>,
    left: Mutex<Released>,
    /// Contenders whose release was not answered, and until when nobody else can have taken them out.
    leaving: Mutex<OwnerMap<Time>>,
}

/// A line as this process has written it last.
pub(super) struct Known {
    pub(super) mark: Mark,
    pub(super) members: Vec<Member<Deadline>>,
}

/// Those of this process who wait, by the paths of their lines.
#[derive(Default)]
struct Waiting(Mutex<HashMap<String, Vec<OwnerId>>>);

impl Default for Lines {
    fn default() -> Self {
        Self {
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::default()).collect(),
            known: Mutex::default(),
            waiting: Arc::default(),
            left: Mutex::new(Released::remembering(LEFT_AT_MOST)),
            leaving: Mutex::default(),
        }
    }
}

impl Lines {
    /// Waits until no other of this process's changes the line, at most for `longest`: others may wait for a server that
    /// does not answer, one after the other.
    pub(super) async fn turn(&self, path: &str, longest: Duration) -> Result<Turn<'_, ()>> {
        let hash = path.bytes().fold(0_usize, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        let turn = self.turns[hash % TURNS].lock();
        tokio::time::timeout(longest, turn)
            .await
            .map_err(|_| failure::of_connecting())
    }

    /// The line as it was written last, which is not known any more after this.
    pub(super) fn take(&self, path: &str) -> Option<Known> {
        lock(&self.known).remove(path)
    }

    pub(super) fn keep(&self, path: &str, known: Known) {
        let mut all = lock(&self.known);
        if all.len() >= KNOWN_AT_MOST {
            all.clear();
        }
        all.insert(path.to_owned(), known);
    }

    /// What a release of this contender has answered.
    pub(super) fn left(&self, lease: &LeaseId) -> Option<bool> {
        lock(&self.left).answer(lease)
    }

    /// A release of this contender is on its way, and until then nobody else can have taken it out.
    pub(super) fn leave(&self, owner: OwnerId, until: Time) {
        let mut leaving = lock(&self.leaving);
        if leaving.len() >= LEFT_AT_MOST {
            leaving.clear();
        }
        leaving.insert(owner, until);
    }

    /// Whether a release of this contender was sent and not answered.
    pub(super) fn is_leaving(&self, owner: OwnerId) -> bool {
        lock(&self.leaving).contains_key(&owner)
    }

    /// The release was refused.
    pub(super) fn stay(&self, owner: OwnerId) {
        lock(&self.leaving).remove(&owner);
    }

    /// Whether a release before can have taken this contender out, and nobody else can.
    pub(super) fn has_left(&self, owner: OwnerId, now: Time) -> bool {
        lock(&self.leaving)
            .get(&owner)
            .is_some_and(|until| now < *until)
    }

    pub(super) fn remember(&self, lease: &LeaseId, answer: bool) {
        lock(&self.leaving).remove(&lease.owner);
        lock(&self.left).remember(lease, answer, tokio::time::Instant::now());
    }

    pub(super) fn anybody_waits_at(&self, path: &str) -> bool {
        lock(&self.waiting.0).contains_key(path)
    }

    /// Has one who waits be told when it is granted, until the watch is dropped.
    pub(super) fn wait(&self, link: &Link, path: &str, owner: OwnerId) -> Watch {
        lock(&self.waiting.0)
            .entry(path.to_owned())
            .or_default()
            .push(owner);
        link.wakes.wait_in_line(owner).keeping(InLine {
            waiting: Arc::downgrade(&self.waiting),
            path: path.to_owned(),
            owner,
        })
    }

    /// Tells those of this process who wait and hold now.
    pub(super) fn tell(&self, link: &Link, path: &str, members: &[Member<Deadline>]) {
        let waiting = lock(&self.waiting.0);
        let Some(waiting) = waiting.get(path) else {
            return;
        };
        for member in members.iter().filter(|member| member.granted) {
            if waiting.contains(&member.owner) {
                link.wakes.granted(member.owner, member.token);
            }
        }
    }
}

/// Takes one who waits out when its watch is dropped.
struct InLine {
    waiting: Weak<Waiting>,
    path: String,
    owner: OwnerId,
}

impl Drop for InLine {
    fn drop(&mut self) {
        let Some(waiting) = self.waiting.upgrade() else {
            return;
        };
        let mut waiting = lock(&waiting.0);
        if let Some(owners) = waiting.get_mut(&self.path) {
            if let Some(at) = owners.iter().position(|owner| *owner == self.owner) {
                owners.swap_remove(at);
            }
            if owners.is_empty() {
                waiting.remove(&self.path);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
