//! Locks: leases of a store, kept alive in the background and given back when they are dropped.
//!
//! Start at [`Coordinator::lock`](crate::Coordinator::lock) and its neighbours; a lock is asked for with a
//! [`LockBuilder`], held as a [`Lease`], and an election led as a [`Leadership`].

// `acquire` gets one lease, and `together` several, all or none; `request` has checked what is asked for.
// `holding` is what this process knows of one lease: where it stands and until when.
// `keeper` renews all of them, and does in the background what a drop cannot wait for; `kept` says how.
// `inspect` is for people who look.
// `order` records which lock is asked for inside the body of which.
// `body` runs code while a lease is held, and drops it when the lease is lost.

/// One of each in most locks, so the first needs no allocation.
type Few<T> = smallvec::SmallVec<[T; 1]>;

mod acquire;
mod body;
mod builder;
mod election;
mod forms;
mod holding;
mod inspect;
mod keeper;
mod kept;
mod lease;
mod order;
mod request;
mod together;

pub(crate) use acquire::persist;
pub(crate) use body::{run_held, while_held};
pub use builder::LockBuilder;
pub(crate) use builder::Target;
pub use election::{Election, Leader, Leadership, Observer};
pub(crate) use forms::without_repeats;
pub use forms::{ReadWriteLock, Semaphored, Whole};
pub use inspect::{LockClaim, LockContender, LockFilter, LockKind, LockPage, LockSummary, Locks};
pub(crate) use keeper::{Care, Keeper, Kept, Leaving};
pub use lease::Lease;
pub use order::{LockCycle, LockEdge, LockOrder, LockSite, lock_order};
