//! What a step knows of where it runs.

use std::sync::Arc;

use crate::store::FencingToken;

/// What a step, or a compensation, can ask about its saga. A step that wants it has a parameter
/// `ctx: &StepContext`.
#[derive(Debug, Clone)]
pub struct StepContext {
    pub(super) saga_id: Arc<str>,
    pub(super) attempt: u32,
    pub(super) idempotency_key: String,
    pub(super) token: FencingToken,
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
        &self.idempotency_key
    }

    /// The fencing token of the process that executes the saga: it increases whenever another one takes over. A
    /// resource that refuses smaller tokens than it has seen cannot be harmed by a process that was paused.
    pub fn token(&self) -> FencingToken {
        self.token
    }
}
