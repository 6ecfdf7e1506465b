//! Who has left a line lately, so that a release sent twice answers the same, and a request to enter that
//! comes after it is turned away.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::store::{LeaseId, OwnerId, OwnerMap};

const REMEMBERED_FOR: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Released {
    /// A bound on memory besides.
    at_most: usize,
    /// What each release answered.
    answers: OwnerMap<(LeaseId, bool)>,
    in_order: VecDeque<(Instant, OwnerId)>,
}

impl Released {
    /// Remembers so many at the most, and each for a minute.
    pub(super) fn remembering(at_most: usize) -> Self {
        Self {
            at_most,
            answers: OwnerMap::default(),
            in_order: VecDeque::new(),
        }
    }

    /// What the release of this contender answered, if it was released.
    pub(super) fn answer(&self, lease: &LeaseId) -> Option<bool> {
        let (released, answer) = self.answers.get(&lease.owner)?;
        (released == lease).then_some(*answer)
    }

    pub(super) fn remember(&mut self, lease: &LeaseId, answer: bool, now: Instant) {
        self.forget_the_oldest(now);
        self.answers.insert(lease.owner, (lease.clone(), answer));
        self.in_order.push_back((now, lease.owner));
    }

    /// Takes back the last [`remember`](Self::remember) of this contender.
    #[cfg(feature = "sqlite")]
    pub(super) fn forget(&mut self, lease: &LeaseId) {
        self.answers.remove(&lease.owner);
    }

    fn forget_the_oldest(&mut self, now: Instant) {
        while let Some((since, owner)) = self.in_order.front()
            && (self.in_order.len() >= self.at_most || now - *since > REMEMBERED_FOR)
        {
            self.answers.remove(owner);
            self.in_order.pop_front();
        }
    }
}
