//! Coordination for fleets of services.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod coordinator;
mod error;
pub mod key;
mod lock;
pub mod store;

#[doc(hidden)]
pub mod __private;

#[cfg(feature = "macros")]
pub use coord_macros::{KeyPart, key, locked};
pub use coordinator::Coordinator;
pub use error::{Error, StoreError, StoreErrorKind};
pub use key::{IntoKey, Key, KeyPart};
pub use lock::Lease;
pub use store::FencingToken;
