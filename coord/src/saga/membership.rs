//! Membership: one lease for each executor, whatever it executes; and what it executes, listed under its id, so
//! that finding the orphans of a dead executor costs what is orphaned.
//!
//! What is listed is slots, which are used again: a saga that begins overwrites the entry of one that has ended,
//! so that ending costs nothing. An entry of a saga that has ended is found to be so by whoever recovers it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt as _};
use smallvec::smallvec;

use crate::coordinator::Coordinator;
use crate::error::{Error, StoreError};
use crate::key::Key;
use crate::lock::{Lease, LockBuilder, Target, Whole};
use crate::store::{DeleteRequest, OwnerId, PutRequest, Store};

/// The kinds of names in the store.
pub(super) const EXECUTORS: &str = "saga-executor";
pub(super) const OWNED: &str = "saga-owned";
/// What stands in the place of an executor's id for sagas that wait for one.
pub(super) const NOBODY: &str = "none";

/// What stands in metrics for the lease.
const TEMPLATE: &str = "(saga executor)";

/// How many places in the list are given up at the same time.
const CLEARED_AT_ONCE: usize = 64;

/// An executor that is alive for as long as its lease is held.
pub(super) struct Member {
    pub(super) id: String,
    pub(super) lease: Lease,
    /// What the names of its slots begin with.
    owned: Arc<str>,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    free: Vec<u32>,
    /// How many there are.
    count: u32,
}

/// The place of one saga in the list of its executor. It stays the saga's until it is [freed](Slot::free): one
/// that is dropped is that of a saga that somebody has to recover.
pub(super) struct Slot {
    member: Arc<Member>,
    number: u32,
}

impl Member {
    /// A new one, with an id of its own.
    pub(super) async fn join(coordinator: &Coordinator) -> Result<Self, Error> {
        let id = format!("{:032x}", OwnerId::random().to_bits());
        let key = key(&id)?;
        let target = Target {
            kind: EXECUTORS,
            resource: coordinator.name(EXECUTORS, &key),
            key,
            weight: 1,
            capacity: 1,
        };
        let owned = coordinator.name(OWNED, &target.key);
        let lease = LockBuilder::<Whole>::new(coordinator.clone(), Ok(smallvec![target]));
        Ok(Self {
            id,
            owned,
            lease: lease.acquire().await?,
            slots: Mutex::default(),
        })
    }

    /// A place for one more saga.
    pub(super) fn slot(self: &Arc<Self>) -> Slot {
        let number = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.free.pop().unwrap_or_else(|| {
                slots.count += 1;
                slots.count
            })
        };
        Slot {
            member: Arc::clone(self),
            number,
        }
    }

    /// Takes what has ended out of the list.
    pub(super) async fn clear(&self, store: &dyn Store) {
        let free = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut slots.free)
        };
        // What stays is found to have ended by whoever recovers it.
        let unlist = async |number| {
            let delete = DeleteRequest::new(self.slot_name(number));
            let _ = store.delete_record(&delete).await;
        };
        stream::iter(free)
            .for_each_concurrent(CLEARED_AT_ONCE, unlist)
            .await;
    }

    /// The names of the places that are for the next sagas: what they list has ended.
    pub(super) fn free_slots(&self) -> HashSet<String> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let free = slots.free.iter();
        free.map(|number| self.slot_name(*number)).collect()
    }

    fn slot_name(&self, number: u32) -> String {
        format!("{}/{number:08x}", self.owned)
    }
}

impl Slot {
    /// What lists the saga with this head.
    pub(super) fn list(&self, head: &str) -> PutRequest {
        PutRequest::new(self.member.slot_name(self.number), head.as_bytes().to_vec())
            .listed()
            .quiet()
    }

    /// Gives it to the next saga, because this one has ended or never began.
    pub(super) fn free(self) {
        let mut slots = self
            .member
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        slots.free.push(self.number);
    }
}

/// What lists a saga that nobody has: that of this run, with this head.
pub(super) fn list_orphan(coordinator: &Coordinator, run: u128, head: &str) -> PutRequest {
    let name = format!("{}none/{run:032x}", coordinator.prefix(OWNED));
    PutRequest::new(name, head.as_bytes().to_vec()).listed()
}

/// Whether the executor of this id has its lease.
pub(super) async fn is_alive(coordinator: &Coordinator, id: &str) -> Result<bool, StoreError> {
    let Ok(key) = key(id) else {
        return Ok(false);
    };
    let resource = coordinator.name(EXECUTORS, &key);
    let line = coordinator.store().inspect_lease(&resource).await?;
    Ok(line.iter().any(|contender| contender.granted))
}

fn key(text: &str) -> Result<Key, Error> {
    Key::labelled(text.into(), TEMPLATE)
}
