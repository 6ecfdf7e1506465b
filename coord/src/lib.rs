//! Coordination for fleets of services.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod context;
mod coordinator;
mod error;
pub mod key;
pub mod lock;
mod observe;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
pub mod __private;

pub use context::Context;
#[cfg(feature = "macros")]
pub use coord_macros::{KeyPart, key, locked};
pub use coordinator::{Coordinator, CoordinatorBuilder};
pub use error::{Error, StoreError, StoreErrorKind};
pub use key::{IntoKey, Key, KeyPart};
pub use lock::Lease;
pub use store::FencingToken;
