//! Sagas: work of several steps that is finished or undone, whatever dies on the way.
//!
//! A saga is a struct, its input, with steps. Each step's output is stored before the next begins; if a step
//! fails for good, those done so far are undone in reverse order.

// `definition` is a saga as data, made of what `step` says of each of its steps; `call` is what one attempt of
// a step is given, `outputs` the stored outputs it may ask for. `registry` finds definitions by name. `declared` is
// what the attributes need beyond that.

#![allow(dead_code, reason = "the executor reads what the interface says")]

mod call;
mod context;
mod declared;
mod definition;
mod error;
mod outputs;
mod registry;
mod retry;
mod step;

pub use call::{Call, OutputOf, StepResult};
pub use context::StepContext;
pub use declared::{Returned, SagaKey, SagaSteps, Shown, ShownAnyway, SuccessOf};
pub use definition::{Definition, Saga};
pub use error::{SagaError, StepError};
pub use outputs::{Finished, Outputs};
pub use registry::Registered;
pub use retry::{Retry, RetryPolicy};
pub use step::{Attempt, Failed, Make, Step, Stored};
