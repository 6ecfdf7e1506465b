//! One step of a saga, as data.

use std::any::{Any, type_name};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::call::Call;
use super::error::StepError;
use super::journal::Stop;
use super::log::Kind;
use crate::coordinator::Dependency;
use crate::idempotency::Exact;
use crate::policy::RetryPolicy;

/// One attempt of a step or a compensation, under way.
pub type Attempt<'a> = Pin<Box<dyn Future<Output = Result<Stored, Failed>> + Send + 'a>>;

/// How generated code makes an attempt.
pub type Make<S> = for<'a> fn(&'a S, Call<'a>) -> Attempt<'a>;

/// What a step put out, as it is stored.
pub struct Stored(pub(super) Box<RawValue>);

/// Why an attempt has no output.
pub struct Failed {
    pub(super) error: StepError,
    meaning: Meaning,
}

/// What a failure means for the saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Another attempt may do better.
    Again,
    /// No other attempt can do better.
    ForGood,
    /// It was done all the same, and only its output cannot be stored.
    Done,
    /// Nothing was done: what is stored is of other code, and this one cannot go on with it.
    Incompatible,
}

/// The input of a saga of any type.
pub(super) type Input = Arc<dyn Any + Send + Sync>;

pub(super) type Erased = Arc<dyn for<'a> Fn(&'a Input, Call<'a>) -> Attempt<'a> + Send + Sync>;
type Count = Arc<dyn Fn(&Input) -> usize + Send + Sync>;
type Test = Arc<dyn Fn(&Input, Call<'_>) -> Result<bool, Failed> + Send + Sync>;

/// What generated code says of one step of the saga `S`.
///
/// ```ignore
/// type Returns = Result<Charge, ShopError>;
/// Step::new(<Returns as StepResult>::into_result, "charge", |saga: &PlaceOrder, call| {
///     Box::pin(async move {
///         let returned = saga.charge(call.context(), call.dep()?).await;
///         call.finish(<Returns as StepResult>::into_result, returned)
///     })
/// })
/// .needs([Dependency::of::<PaymentGateway>()])
/// .undo(|saga, call| {
///     Box::pin(async move {
///         let returned = saga.refund(call.undone(<Returns as StepResult>::read)?, call.dep()?).await;
///         call.finish(StepResult::into_result, returned)
///     })
/// })
/// ```
pub struct Step<S> {
    data: StepData,
    saga: PhantomData<fn(&S)>,
}

/// The same for the executor, whatever `S`.
pub(super) struct StepData {
    pub(super) id: &'static str,
    /// The type of the output, without paths: moving a type to another module changes nothing that is stored. With
    /// `each` it is that of all of them: `[T]`.
    pub(super) output: String,
    pub(super) run: Erased,
    pub(super) undo: Option<Undo>,
    pub(super) pivot: bool,
    pub(super) parallel: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<RetryPolicy>,
    pub(super) each: Option<Count>,
    pub(super) when: Option<Test>,
    pub(super) needs: Vec<Dependency>,
    pub(super) names: Names,
}

/// What the attribute names, for diagrams.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Names {
    pub(super) undo: Option<&'static str>,
    pub(super) each: Option<&'static str>,
    pub(super) when: Option<&'static str>,
}

/// A compensation.
#[derive(Clone)]
pub(super) struct Undo {
    pub(super) run: Erased,
    /// Whether it is also called for a step whose outcome is unknown.
    pub(super) of_unknown: bool,
}

impl<S: Any + Send + Sync> Step<S> {
    /// A step whose method returns `R`; `into_result` is there for its type. `id` is what it is called in the store, so
    /// that the method can be renamed while sagas are under way.
    pub fn new<R, T, E>(
        into_result: fn(R) -> Result<T, E>,
        id: &'static str,
        run: Make<S>,
    ) -> Self {
        let _ = into_result;
        Self {
            data: StepData {
                id,
                output: without_paths(type_name::<T>()),
                run: erased(run),
                undo: None,
                pivot: false,
                parallel: false,
                timeout: None,
                retry: None,
                each: None,
                when: None,
                needs: Vec::new(),
                names: Names::default(),
            },
            saga: PhantomData,
        }
    }

    /// `compensate = …`, with a method that takes `&T`: called when the step is known to be done.
    pub fn undo(mut self, undo: Make<S>) -> Self {
        self.data.undo = Some(Undo {
            run: erased(undo),
            of_unknown: false,
        });
        self
    }

    /// `compensate = …`, with a method that takes `Option<&T>`: also called when the outcome is unknown.
    pub fn undo_unknown(mut self, undo: Make<S>) -> Self {
        self.data.undo = Some(Undo {
            run: erased(undo),
            of_unknown: true,
        });
        self
    }

    /// `pivot`
    pub fn pivot(mut self) -> Self {
        self.data.pivot = true;
        self
    }

    /// `parallel`: runs together with its neighbours that are parallel too.
    pub fn parallel(mut self) -> Self {
        self.data.parallel = true;
        self
    }

    /// `timeout = …`, of each attempt, of the step and of its compensation.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.data.timeout = Some(timeout);
        self
    }

    /// `retry = …`, of the step and of its compensation.
    pub fn retry(mut self, policy: &RetryPolicy) -> Self {
        self.data.retry = Some(policy.clone());
        self
    }

    /// `each = …`: a run for each of so many items. The run finds its own with [`Call::item`].
    pub fn each(mut self, count: fn(&S) -> usize) -> Self {
        self.data.each = Some(Arc::new(move |input| input.downcast_ref().map_or(0, count)));
        self.data.output = format!("[{}]", self.data.output);
        self
    }

    /// `when = …`: skipped if this is false. It is asked once, and the answer stored.
    pub fn when(mut self, test: fn(&S, Call<'_>) -> Result<bool, Failed>) -> Self {
        self.data.when = Some(Arc::new(move |input, call| {
            let saga = input.downcast_ref().ok_or_else(Failed::of_other_saga)?;
            test(saga, call)
        }));
        self
    }

    /// The dependencies that the step and its compensation ask for.
    pub fn needs(mut self, needs: impl IntoIterator<Item = Dependency>) -> Self {
        self.data.needs.extend(needs);
        self
    }

    /// The method that undoes it, for diagrams.
    pub fn undo_is(mut self, method: &'static str) -> Self {
        self.data.names.undo = Some(method);
        self
    }

    /// The field whose items it runs for, for diagrams.
    pub fn each_is(mut self, field: &'static str) -> Self {
        self.data.names.each = Some(field);
        self
    }

    /// The method that is asked whether it runs, for diagrams.
    pub fn when_is(mut self, method: &'static str) -> Self {
        self.data.names.when = Some(method);
        self
    }

    pub(super) fn into_data(self) -> StepData {
        self.data
    }
}

impl StepData {
    /// Its id, and the type of its output.
    pub(super) fn as_stored(&self) -> (String, String) {
        (self.id.to_owned(), self.output.clone())
    }

    /// How many runs it has.
    pub(super) fn count(&self, input: &Input) -> usize {
        self.each.as_ref().map_or(1, |each| each(input))
    }

    /// How long to wait before this attempt of the step. Behind a pivot it has to be done in the end, as a compensation
    /// has.
    pub(super) fn retry_delay(&self, attempt: u32, past_pivot: bool) -> Option<Duration> {
        match &self.retry {
            Some(policy) => policy.delay_if_any(attempt),
            None if past_pivot => undo_delay(attempt),
            None => None,
        }
    }

    /// How long to wait before this attempt of its compensation.
    pub(super) fn undo_delay(&self, attempt: u32) -> Option<Duration> {
        match &self.retry {
            Some(policy) => policy.delay_if_any(attempt),
            None => undo_delay(attempt),
        }
    }
}

/// How long to wait before this attempt of the compensation of a step that says nothing of retries.
pub(super) fn undo_delay(attempt: u32) -> Option<Duration> {
    RetryPolicy::fast().delay_if_any(attempt)
}

impl Stored {
    /// Writes an output, of which at most `largest` bytes are stored at once, with what is beside it.
    pub(super) fn of<T: Serialize + ?Sized>(output: &T, largest: usize) -> Result<Self, Failed> {
        const AROUND: usize = 4 * 1024;
        let written = to_raw_value(&Exact::new(output)).map_err(|problem| {
            Failed::to_store(format!(
                "it was done, but its output cannot be stored ({problem}): return a type that `serde_json` can \
                 write"
            ))
        })?;
        let (bytes, limit) = (written.get().len(), largest.saturating_sub(AROUND));
        if bytes > limit {
            return Err(Failed::to_store(format!(
                "it was done, but its output of {bytes} bytes is over the limit of {limit}: store it elsewhere, and \
                 return a reference to it"
            )));
        }
        Ok(Self(written))
    }
}

impl Failed {
    /// Another attempt may do better.
    pub(super) fn in_this_attempt(error: StepError) -> Self {
        Self {
            error,
            meaning: Meaning::Again,
        }
    }

    /// No other attempt can do better.
    pub(super) fn for_good(error: StepError) -> Self {
        Self {
            error,
            meaning: Meaning::ForGood,
        }
    }

    /// What is stored of an earlier step cannot be read.
    pub(super) fn incompatible(problem: String) -> Self {
        Self {
            error: StepError::of_text(problem),
            meaning: Meaning::Incompatible,
        }
    }

    /// What it put out cannot be stored.
    fn to_store(problem: String) -> Self {
        Self {
            error: StepError::of_text(problem),
            meaning: Meaning::Done,
        }
    }

    /// Whether another attempt may do better.
    pub(super) fn is_worth_retrying(&self) -> bool {
        self.meaning == Meaning::Again
    }

    /// The same, unless it is no failure of the step, but this code cannot go on with the saga.
    pub(super) fn of_the_step(self) -> Result<Self, Stop> {
        if self.meaning == Meaning::Incompatible {
            return Err(Stop::Incompatible(self.error.to_string()));
        }
        Ok(self)
    }

    /// What happened to the run.
    pub(super) fn kind(&self) -> Kind {
        if self.meaning == Meaning::Done {
            Kind::Unstored
        } else {
            Kind::Failed
        }
    }

    fn of_other_saga() -> Self {
        Self::for_good(StepError::of_text("the input is that of another saga"))
    }
}

fn erased<S: Any + Send + Sync>(make: Make<S>) -> Erased {
    Arc::new(move |input, call| match input.downcast_ref() {
        Some(saga) => make(saga, call),
        None => Box::pin(async { Err(Failed::of_other_saga()) }),
    })
}

/// A type's name as in `alloc::vec::Vec<shop::Item>`, without the paths: `Vec<Item>`.
fn without_paths(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    for piece in name.split_inclusive(|char: char| !(char.is_alphanumeric() || "_:".contains(char)))
    {
        short.push_str(piece.rsplit("::").next().unwrap_or(piece));
    }
    short
}

#[cfg(test)]
mod tests {
    use super::without_paths;

    #[test]
    fn names_of_types_lose_their_paths_and_nothing_else() {
        for (name, short) in [
            ("()", "()"),
            ("u64", "u64"),
            ("shop::orders::Charge", "Charge"),
            ("alloc::vec::Vec<shop::Item>", "Vec<Item>"),
            (
                "(core::option::Option<a::B>, [c::D; 2])",
                "(Option<B>, [D; 2])",
            ),
        ] {
            assert_eq!(without_paths(name), short);
        }
    }
}
