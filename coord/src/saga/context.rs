//! What a step knows of where it runs.

use std::sync::{Arc, OnceLock};

use super::trace::Way;
use crate::store::FencingToken;

/// What a step, or a compensation, can ask about its saga. A step that wants it has a parameter
/// `ctx: &StepContext`.
#[derive(Debug, Clone)]
pub struct StepContext {
    pub(super) saga_id: Arc<str>,
    pub(super) attempt: u32,
    pub(super) step: StepOfRun,
    /// Put together if it is asked for.
    pub(super) idempotency_key: OnceLock<String>,
    pub(super) token: FencingToken,
}

/// What tells a step from all others, those of other sagas included.
#[derive(Debug, Clone)]
pub(super) struct StepOfRun {
    pub(super) run: u128,
    pub(super) id: &'static str,
    /// The item, of a step that runs for each of several.
    pub(super) item: Option<usize>,
    pub(super) way: Way,
}

impl StepOfRun {
    fn idempotency_key(&self) -> String {
        let Self { run, id, .. } = self;
        let item = self.item.map(|item| format!("/{item}")).unwrap_or_default();
        let undo = match self.way {
            Way::Forwards => "",
            Way::Backwards => "/undo",
        };
        format!("{run:032x}/{id}{item}{undo}")
    }
}

impl StepContext {
    /// The saga's id: its name and its key.
    pub fn saga_id(&self) -> &str {
        &self.saga_id
    }

    /// Which attempt of this step this is, as far as is known, counted from 1. Attempts of processes that died
    /// count.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// A key that is the same for every attempt of this step of this saga, in whatever process, and for nothing
    /// else. Pass it on to whoever carries out the effect: a step may be run again after a crash, and that key
    /// is how its effect happens once. The compensation of a step has a key of its own.
    pub fn idempotency_key(&self) -> &str {
        self.idempotency_key
            .get_or_init(|| self.step.idempotency_key())
    }

    /// The fencing token of the process that executes the saga: it increases whenever another one takes over. A
    /// resource that refuses smaller tokens than it has seen cannot be harmed by a process that was paused.
    pub fn token(&self) -> FencingToken {
        self.token
    }
}
