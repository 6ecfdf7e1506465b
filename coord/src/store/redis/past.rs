//! What this process remembers of contenders that have left, or may have.
//!
//! The server keeps no trace of one who acquired and released without trouble, which is nearly everybody. So
//! it is remembered here: one who left is not let in again, and a release that is asked for again answers the
//! same. Where a reply was lost, or not waited for, the next request of that contender is a careful one: the
//! server then looks at its receipts of releases, and leaves a mark against requests that come too late.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::{LeaseId, OwnerId, OwnerMap};

/// How many contenders are remembered.
const REMEMBERED: usize = 8_192;

/// What is known of a contender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// It was released, with this answer.
    Released(bool),
    /// A request of it was sent, and its reply was not seen.
    Doubtful,
}

#[derive(Debug, Default)]
pub(super) struct Past {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    notes: OwnerMap<(LeaseId, Note)>,
    in_order: VecDeque<OwnerId>,
}

impl Past {
    pub(super) fn of(&self, lease: &LeaseId) -> Option<Note> {
        let state = self.state();
        let (noted, note) = state.notes.get(&lease.owner)?;
        (noted == lease).then_some(*note)
    }

    /// What is known for sure stays known: that it was released, above all, whatever a second request found.
    pub(super) fn note(&self, lease: &LeaseId, note: Note) {
        let mut state = self.state();
        if let Some((noted, known)) = state.notes.get(&lease.owner)
            && noted == lease
            && (*known == Note::Released(true)
                || note == Note::Doubtful && *known == Note::Released(false))
        {
            return;
        }
        if state
            .notes
            .insert(lease.owner, (lease.clone(), note))
            .is_some()
        {
            return;
        }
        state.in_order.push_back(lease.owner);
        if state.in_order.len() > REMEMBERED
            && let Some(oldest) = state.in_order.pop_front()
        {
            state.notes.remove(&oldest);
        }
    }

    /// Notes that the contender is doubtful, unless [`Doubt::settle`] is called.
    pub(super) fn doubt<'a>(&'a self, lease: &'a LeaseId) -> Doubt<'a> {
        Doubt {
            past: self,
            lease,
            settled: false,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request of a contender that is under way. Dropped, it leaves the contender doubtful.
pub(super) struct Doubt<'a> {
    past: &'a Past,
    lease: &'a LeaseId,
    settled: bool,
}

impl Doubt<'_> {
    pub(super) fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.past.note(self.lease, Note::Doubtful);
        }
    }
}
