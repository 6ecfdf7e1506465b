//! Sagas: work of several steps that is finished or undone, whatever dies on the way.
//!
//! A saga is a struct, its input, with steps. Each step's output is stored before the next begins; if a step
//! fails for good, those done so far are undone in reverse order.

// `definition` is a saga as data, made of what `step` says of each of its steps; `call` is what one attempt of a step is
// given, `outputs` the stored outputs it may ask for, and `input` how a saga's own data is stored. `registry` finds definitions
// by name.
//
// `spot` is the place of a saga in the store. `conduct` finds out where a saga stands, and `drive` goes on with it if it is
// ours, an `attempt` of a step at a time; what it does is written down by `journal`: events of `log`, folded into `progress`,
// and the `head`. `executor` owns the tasks that conduct, `membership` is what says that it is alive, and `recovery` looks for
// what the dead have left. `handle` starts, and `trace` tells of it; `inspect`, `repair` and `diagram` are for people.
// `cancel` is how somebody who wants a saga undone tells the one who drives it. `declared` is what the attributes need beyond
// the interface.

mod attempt;
mod call;
mod cancel;
mod closures;
mod conduct;
mod context;
mod declared;
mod definition;
mod diagram;
mod drive;
mod error;
mod executor;
mod handle;
mod head;
mod hurry;
mod input;
mod inspect;
mod journal;
mod leftovers;
mod log;
mod membership;
mod outputs;
mod progress;
mod recovery;
mod registry;
mod repair;
mod spot;
mod step;
mod trace;

pub use call::{Call, Read, StepResult};
pub use closures::{ClosureSaga, ClosureStep, Compensation, NoCompensation, SagaBuilder};
pub use context::StepContext;
pub use declared::{Returned, SagaKey, SagaSteps, Shown, ShownAnyway, SuccessOf};
pub use definition::{Definition, Saga};
pub use diagram::Diagram;
pub use error::{SagaError, StepError};
pub use handle::SagaHandle;
#[doc(hidden)]
pub use handle::{run_saga, start_saga};
pub use head::SagaState;
pub use input::{InputCodec, SagaInput};
pub use inspect::{
    HistoryEvent, HistoryKind, SagaFilter, SagaHistory, SagaPage, SagaSummary, Sagas,
};
pub use outputs::{Finished, Outputs};
pub use recovery::{Recovered, RecoveryBuilder};
pub use registry::Registered;
pub use step::{Attempt, Failed, Make, Step, Stored};
