//! What is stored of the steps of a saga of closures.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::saga::error::StepError;
use crate::saga::journal::Fold;
use crate::saga::log::{Event, Kind, Line};

/// The steps in the order in which they have ended.
#[derive(Default)]
pub(super) struct Replay {
    pub(super) steps: Vec<Stored>,
    by_id: HashMap<String, usize>,
    /// Why it goes backwards.
    pub(super) unwinding: Option<Cause>,
    pub(super) cancelled: bool,
}

/// Why a saga goes backwards.
#[derive(Clone)]
pub(super) enum Cause {
    Cancelled,
    /// This step has failed, with this.
    Failed(String, StepError),
}

/// One step.
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) output: Option<Box<RawValue>>,
    pub(super) error: Option<String>,
    /// It is done, and is to be undone though its output is not stored.
    pub(super) is_unstored: bool,
    pub(super) is_undone: bool,
    pub(super) undo_failures: u32,
}

impl Replay {
    /// The number of a step that is not stored yet.
    pub(super) fn add(&mut self, id: &str) -> usize {
        let step = self.steps.len();
        self.by_id.insert(id.to_owned(), step);
        self.steps.push(Stored {
            id: id.to_owned(),
            output: None,
            error: None,
            is_unstored: false,
            is_undone: false,
            undo_failures: 0,
        });
        step
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// The latest step before `end` that is done and not undone.
    pub(super) fn last_done(&self, end: usize) -> Option<usize> {
        let done = |step: &Stored| (step.output.is_some() || step.is_unstored) && !step.is_undone;
        self.steps[..end.min(self.steps.len())]
            .iter()
            .rposition(done)
    }
}

impl Fold for Replay {
    fn id(&self, step: usize) -> &str {
        self.steps.get(step).map_or("", |step| &step.id)
    }

    fn step(&mut self, line: &Line<'_>) -> Result<usize, String> {
        Ok(match self.by_id.get(&*line.step) {
            Some(step) => *step,
            None => self.add(&line.step),
        })
    }

    fn apply(&mut self, event: Event) {
        match event.kind {
            Kind::Cancelled => self.cancelled = true,
            Kind::Unwinding => {
                let id = self.id(event.step).to_owned();
                let failed = |error| Cause::Failed(id, StepError::of_text(error));
                self.unwinding = Some(event.error.map_or(Cause::Cancelled, failed));
            }
            kind => {
                let Some(step) = self.steps.get_mut(event.step) else {
                    return;
                };
                match kind {
                    Kind::Done => step.output = event.output,
                    Kind::Failed => step.error = event.error,
                    Kind::Unstored => {
                        step.error = event.error;
                        step.is_unstored = true;
                    }
                    Kind::Undone => step.is_undone = true,
                    Kind::UndoFailed => step.undo_failures += 1,
                    _ => {}
                }
            }
        }
    }
}
