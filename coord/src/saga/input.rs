//! How a saga's input is stored and read again.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::idempotency::Exact;

/// How a saga's input is stored and read again. Functions rather than bounds on `Saga`, which would be reported anew
/// wherever generated code names the saga.
pub struct InputCodec<S> {
    pub(super) write: fn(&S) -> serde_json::Result<Vec<u8>>,
    pub(super) read: fn(&[u8]) -> serde_json::Result<S>,
}

/// What can be the input of a saga.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored as the input of a saga",
    label = "must implement `serde::Serialize` and `serde::de::DeserializeOwned`",
    note = "derive both traits: `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
pub trait SagaInput: Sized {
    /// How that is done.
    fn codec() -> InputCodec<Self>;
}

#[diagnostic::do_not_recommend]
impl<S: Serialize + DeserializeOwned> SagaInput for S {
    fn codec() -> InputCodec<Self> {
        InputCodec {
            write: |input| serde_json::to_vec(&Exact::new(input)),
            read: |stored| serde_json::from_slice(stored),
        }
    }
}
