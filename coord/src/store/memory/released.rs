//! Who has left a line lately, so that a release sent twice answers the same, and a request to enter that
//! comes after it is turned away.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::store::{LeaseId, OwnerId, OwnerMap};

const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// A bound on memory besides; it shows only beyond some hundred releases a second.
const REMEMBERED_AT_MOST: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Released {
    /// What each release answered.
    answers: OwnerMap<(LeaseId, bool)>,
    in_order: VecDeque<(Instant, OwnerId)>,
}

impl Released {
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

    fn forget_the_oldest(&mut self, now: Instant) {
        while let Some((since, owner)) = self.in_order.front()
            && (self.in_order.len() >= REMEMBERED_AT_MOST || now - *since > REMEMBERED_FOR)
        {
            self.answers.remove(owner);
            self.in_order.pop_front();
        }
    }
}
