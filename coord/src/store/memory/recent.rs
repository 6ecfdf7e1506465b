//! The identities of what was done lately, so that the same request is recognised when it comes again.

use smallvec::SmallVec;

/// Up to a number of 128-bit ids, the oldest forgotten first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Most things are done once or twice.
    ids: SmallVec<[u128; 2]>,
}

impl Recent {
    pub(super) fn contains(&self, id: u128) -> bool {
        self.ids.contains(&id)
    }

    pub(super) fn remember(&mut self, id: u128, at_most: usize) {
        if self.ids.len() >= at_most {
            self.ids.remove(0);
        }
        self.ids.push(id);
    }
}
