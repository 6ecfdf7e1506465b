//! The stored outputs of a saga's steps.
//!
//! An output is kept as it is stored and read when it is asked for, so a step sees the same value whether its
//! saga ran through or was recovered.

use std::any::{Any, type_name};
use std::sync::OnceLock;

use serde_json::value::RawValue;

use super::call::Read;
use crate::error::{Error, without_values};

/// The outputs of the steps that are done, in the order of the steps. Each is recorded once.
pub struct Outputs(Vec<Slot>);

/// The outputs of one step.
struct Slot {
    /// One for each run: one, or as many as there are items.
    runs: Box<[OnceLock<Output>]>,
    /// All of them, once they were asked for as a slice.
    all: OnceLock<Box<dyn Any + Send + Sync>>,
}

struct Output {
    stored: Box<RawValue>,
    value: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// An output that is stored, and cannot be read as what the code asks for.
pub(super) struct Unreadable(pub(super) String);

impl Outputs {
    /// Room for the outputs of so many runs of each step.
    pub(super) fn of_runs(runs: impl IntoIterator<Item = usize>) -> Self {
        let slot = |runs| Slot {
            runs: (0..runs).map(|_| OnceLock::new()).collect(),
            all: OnceLock::new(),
        };
        Self(runs.into_iter().map(slot).collect())
    }

    pub(super) fn record(&self, (step, item): (usize, usize), stored: Box<RawValue>) {
        if let Some(run) = self.0.get(step).and_then(|slot| slot.runs.get(item)) {
            let value = OnceLock::new();
            // It is recorded already only if an entry of the log is read twice.
            let _ = run.set(Output { stored, value });
        }
    }

    /// The output of one run, if it is done.
    pub(super) fn get<T>(
        &self,
        how: Read<T>,
        (step, item): (usize, usize),
    ) -> Result<Option<&T>, Unreadable>
    where
        T: Any + Send + Sync,
    {
        let slot = self.0.get(step);
        let Some(output) = slot.and_then(|slot| slot.runs.get(item)?.get()) else {
            return Ok(None);
        };
        let value = get_or_read(&output.value, || read(how, &output.stored))?;
        Ok(Some(value))
    }

    /// The outputs of all runs of a step that are done.
    pub(super) fn all<T>(&self, how: Read<T>, step: usize) -> Result<&[T], Unreadable>
    where
        T: Any + Send + Sync,
    {
        let Some(slot) = self.0.get(step) else {
            return Ok(&[]);
        };
        let all = || {
            slot.runs
                .iter()
                .filter_map(OnceLock::get)
                .map(|run| read(how, &run.stored))
        };
        Ok(get_or_read(&slot.all, || {
            all().collect::<Result<Vec<T>, _>>()
        })?)
    }
}

/// What is in the cell, or what `make` makes. A cell has one type, since each step has one output type.
fn get_or_read<T: Any + Send + Sync>(
    cell: &OnceLock<Box<dyn Any + Send + Sync>>,
    make: impl FnOnce() -> Result<T, Unreadable>,
) -> Result<&T, Unreadable> {
    let value = if let Some(value) = cell.get() {
        value
    } else {
        let made = make()?;
        cell.get_or_init(|| Box::new(made))
    };
    value.downcast_ref().ok_or_else(|| {
        Unreadable(format!(
            "the output was asked for as `{}` and as another type before",
            type_name::<T>()
        ))
    })
}

fn read<T>(how: Read<T>, stored: &RawValue) -> Result<T, Unreadable> {
    how(stored).map_err(|problem| {
        Unreadable(format!(
            "the stored output cannot be read as `{}` ({})",
            type_name::<T>(),
            without_values(&problem)
        ))
    })
}

/// The outputs of a saga that is completed, to be taken out one by one.
pub struct Finished<'a> {
    pub(super) outputs: &'a Outputs,
    pub(super) template: &'static str,
}

impl Finished<'_> {
    /// The output of a step.
    ///
    /// # Errors
    ///
    /// [`Error::ResultShapeChanged`] if it is not stored, or cannot be read as a `T`. So do the others.
    pub fn take<T>(&self, how: Read<T>, step: usize) -> Result<T, Error> {
        self.take_optional(how, step)?
            .ok_or_else(|| self.unreadable::<T>(Unreadable("it is not stored".to_owned())))
    }

    /// The output of a step with `when`.
    pub fn take_optional<T>(&self, how: Read<T>, step: usize) -> Result<Option<T>, Error> {
        self.runs(step)
            .next()
            .map(|output| {
                read(how, &output.stored).map_err(|problem| self.unreadable::<T>(problem))
            })
            .transpose()
    }

    /// The outputs of a step with `each`, in the order of the items.
    pub fn take_all<T>(&self, how: Read<T>, step: usize) -> Result<Vec<T>, Error> {
        self.runs(step)
            .map(|output| {
                read(how, &output.stored).map_err(|problem| self.unreadable::<T>(problem))
            })
            .collect()
    }

    fn runs(&self, step: usize) -> impl Iterator<Item = &Output> {
        let slot = self.outputs.0.get(step);
        slot.into_iter()
            .flat_map(|slot| slot.runs.iter().filter_map(OnceLock::get))
    }

    fn unreadable<T>(&self, Unreadable(problem): Unreadable) -> Error {
        Error::ResultShapeChanged {
            template: self.template,
            stored: "(an output of a step)".into(),
            expected: type_name::<T>(),
            problem: problem.into(),
        }
    }
}
