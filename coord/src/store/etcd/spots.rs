//! Where the contenders of this process stand in their lines, so that they need not be looked for. Who is not known here is
//! found in the line.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::line::Member;
use crate::store::OwnerId;

/// How many are known. Those that were never given back are forgotten with all others.
const KNOWN_AT_MOST: usize = 100_000;

/// A key, and the revision that created it for this contender: whoever comes to the key later is another. And the one
/// that was the last to write it.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) key: String,
    pub(super) created: i64,
    pub(super) modified: i64,
}

/// By line and owner.
#[derive(Default)]
pub(super) struct Spots(Mutex<HashMap<(String, OwnerId), Spot>>);

impl Spots {
    pub(super) fn get(&self, line: &str, owner: OwnerId) -> Option<Spot> {
        self.all().get(&(line.to_owned(), owner)).cloned()
    }

    pub(super) fn keep(&self, line: &str, member: &Member) {
        let mut all = self.all();
        if all.len() >= KNOWN_AT_MOST {
            all.clear();
        }
        all.insert((line.to_owned(), member.owner), Spot::of(member));
    }

    pub(super) fn forget(&self, line: &str, owner: OwnerId) {
        self.all().remove(&(line.to_owned(), owner));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(String, OwnerId), Spot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spot {
    pub(super) fn of(member: &Member) -> Self {
        Self {
            key: member.key.clone(),
            created: member.created,
            modified: member.modified,
        }
    }
}
