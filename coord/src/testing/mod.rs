//! For tests: processes that are killed everywhere, a store that fails on demand, and the suite that every store
//! must pass.
//!
//! [`crash_everywhere`] runs a saga, kills its process at one place after the other, and shows what becomes of it.
//!
//! [`check_definitions`] fails when a saga has changed so that those under way could not go on.
//!
//! [`FaultStore`] wraps a store and fails, delays, cuts or holds the operations that a test chooses. What is
//! built on a store can so be driven through every bad moment without a network and without waiting.
//!
//! [`store_conformance`] runs the whole contract of [`coord::store`](crate::store) against a store, and
//! [`store_conformance_tests!`] makes one test of each of its cases. A backend of your own needs no more
//! than this:
//!
//! ```
//! # mod tests {
//! coord::testing::store_conformance_tests!(coord::store::MemoryStore::new());
//! # }
//! ```

mod conformance;
mod crash;
mod definitions;
mod fault;

#[doc(inline)]
pub use crate::store_conformance_tests;
pub use conformance::store_conformance;
#[doc(hidden)]
pub use conformance::store_conformance_case;
pub use crash::{Crash, CrashTest, Effects, EndState, crash_everywhere, crash_everywhere_during};
pub use definitions::check_definitions;
pub use fault::{Fault, FaultStore, Held, Operation, Rule, Seen};
