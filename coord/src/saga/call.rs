//! What one attempt of a step is given, and what it gives back.

use std::any::{Any, type_name};
use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::context::StepContext;
use super::error::StepError;
use super::outputs::{Outputs, Unreadable};
use super::step::{Failed, Stored};
use crate::coordinator::Dependencies;

/// One attempt of a step or a compensation, as generated code sees it: from it come the arguments of the user's
/// method. Each argument that cannot be had is a [`Failed`] for good, to be passed on with `?`; one that is stored and cannot
/// be read says so, and the saga is left to the code that can.
///
/// Steps are named by their place in the definition, from 0.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub(super) context: &'a StepContext,
    pub(super) outputs: &'a Outputs,
    pub(super) dependencies: &'a Dependencies,
    pub(super) step: usize,
    pub(super) item: usize,
    /// The most bytes that are stored at once.
    pub(super) largest: usize,
}

/// What a step returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a step returns",
    label = "must be a `Result` whose success can be stored and whose error can be shown",
    note = "return `Result<T, E>` with `serde::Serialize` and `serde::de::DeserializeOwned` for `T`, and \
            `std::fmt::Display` for `E`; both `Send + Sync + 'static`, as `Box<dyn Error + Send + Sync>` is"
)]
pub trait StepResult: Sized {
    /// What is stored.
    type Output: Serialize + DeserializeOwned + Any + Send + Sync;
    /// What is shown if there is nothing to store.
    type Error: Display + Any + Send + Sync;

    /// The same, as what it is. Generated code hands this and `read` over where it needs them, both named where the
    /// type is written: so what cannot be stored is told there, and only there.
    fn into_result(self) -> Result<Self::Output, Self::Error>;

    /// Reads what is stored.
    fn read(stored: &RawValue) -> serde_json::Result<Self::Output>;
}

/// How an output is read.
pub type Read<T> = fn(&RawValue) -> serde_json::Result<T>;

#[diagnostic::do_not_recommend]
impl<T, E> StepResult for Result<T, E>
where
    T: Serialize + DeserializeOwned + Any + Send + Sync,
    E: Display + Any + Send + Sync,
{
    type Output = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }

    fn read(stored: &RawValue) -> serde_json::Result<T> {
        serde_json::from_str(stored.get())
    }
}

impl<'a> Call<'a> {
    /// `ctx: &StepContext`
    pub fn context(self) -> &'a StepContext {
        self.context
    }

    /// `#[dep] gateway: &T`
    pub fn dep<T: Any + Send + Sync>(self) -> Result<&'a T, Failed> {
        self.dependencies.get().ok_or_else(|| {
            Failed::for_good(StepError::of_text(format!(
                "the coordinator was not given a `{}`",
                type_name::<T>()
            )))
        })
    }

    /// The output of an earlier step: `charge: &T`.
    pub fn output<T>(self, read: Read<T>, step: usize) -> Result<&'a T, Failed>
    where
        T: Any + Send + Sync,
    {
        self.optional(read, step)?
            .ok_or_else(|| Failed::for_good(StepError::of_text("the output is not stored")))
    }

    /// The output of an earlier step with `when`: `charge: Option<&T>`.
    pub fn optional<T>(self, read: Read<T>, step: usize) -> Result<Option<&'a T>, Failed>
    where
        T: Any + Send + Sync,
    {
        self.outputs.get(read, (step, 0)).map_err(Failed::from)
    }

    /// The outputs of an earlier step with `each`, one for each item: `charges: &[T]`. None, if it also has
    /// `when` and was skipped.
    pub fn outputs<T>(self, read: Read<T>, step: usize) -> Result<&'a [T], Failed>
    where
        T: Any + Send + Sync,
    {
        self.outputs.all(read, step).map_err(Failed::from)
    }

    /// In a step with `each`, and in its compensation: which item this run is about, from 0.
    pub fn item(self) -> usize {
        self.item
    }

    /// In a compensation that takes `&T`: what the step put out that it undoes.
    pub fn undone<T>(self, read: Read<T>) -> Result<&'a T, Failed>
    where
        T: Any + Send + Sync,
    {
        self.undone_if_known(read)?
            .ok_or_else(|| Failed::for_good(StepError::of_text("the output is not stored")))
    }

    /// In a compensation that takes `Option<&T>`: what the step put out that it undoes, or `None` if its outcome
    /// is unknown.
    pub fn undone_if_known<T>(self, read: Read<T>) -> Result<Option<&'a T>, Failed>
    where
        T: Any + Send + Sync,
    {
        self.outputs
            .get(read, (self.step, self.item))
            .map_err(Failed::from)
    }

    /// What the user's method has returned, to be stored.
    pub fn finish<R, T, E>(
        self,
        into_result: fn(R) -> Result<T, E>,
        returned: R,
    ) -> Result<Stored, Failed>
    where
        T: Serialize,
        E: Display + Any + Send + Sync,
    {
        self.finish_if(into_result, returned, |_| true)
    }

    /// The same for a step with `retry(if = …)`: which errors are worth another attempt.
    pub fn finish_if<R, T, E>(
        self,
        into_result: fn(R) -> Result<T, E>,
        returned: R,
        is_worth_it: impl FnOnce(&E) -> bool,
    ) -> Result<Stored, Failed>
    where
        T: Serialize,
        E: Display + Any + Send + Sync,
    {
        match into_result(returned) {
            Ok(output) => Stored::of(&output, self.largest),
            Err(error) if is_worth_it(&error) => {
                Err(Failed::in_this_attempt(StepError::new(error)))
            }
            Err(error) => Err(Failed::for_good(StepError::new(error))),
        }
    }
}

impl From<Unreadable> for Failed {
    fn from(Unreadable(problem): Unreadable) -> Self {
        Self::incompatible(problem)
    }
}
