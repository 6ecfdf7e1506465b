//! A saga as data: its name, its steps in order, and how its input is stored.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::head::StoredSteps;
use super::input::InputCodec;
use super::outputs::Finished;
use super::step::{Input, Step, StepData};
use crate::error::Error;
use crate::key::Key;

static DEFINITIONS: LazyLock<RwLock<HashMap<TypeId, Arc<Definition>>>> =
    LazyLock::new(RwLock::default);

/// A saga's input, with what the attribute `#[saga]` knows of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a saga",
    label = "must have `#[saga(\"key:<template>\")]` on the struct and `#[saga]` on the impl with its steps"
)]
pub trait Saga: Any + Send + Sync + Sized {
    /// What the saga is called in the store. The struct's name, unless the attribute says otherwise.
    const NAME: &'static str;

    /// The outputs of all steps, by name.
    type Outputs: Send + 'static;

    /// How the input is stored and read again.
    fn codec() -> InputCodec<Self>;

    /// The key of this input.
    fn key(&self) -> Result<Key, Error>;

    /// The steps in the order written. Asked for once in a process.
    fn steps() -> Vec<Step<Self>>;

    /// The outputs of a saga that is completed.
    fn outputs(finished: &Finished<'_>) -> Result<Self::Outputs, Error>;
}

/// What an executor needs to know of a saga, whatever its type.
pub struct Definition {
    pub(super) name: &'static str,
    pub(super) steps: Vec<StepData>,
    stored: Arc<StoredSteps>,
    by_id: HashMap<&'static str, usize>,
    pub(super) read: fn(&[u8]) -> serde_json::Result<Input>,
    pub(super) key: fn(&Input) -> Option<Result<Key, Error>>,
}

impl Definition {
    /// The definition of `S`, put together if it is the first time.
    pub fn of<S: Saga>() -> Arc<Self> {
        let id = TypeId::of::<S>();
        let known = DEFINITIONS
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned();
        known.unwrap_or_else(|| {
            let definition = Arc::new(Self::new::<S>());
            let mut all = DEFINITIONS.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(id).or_insert(definition))
        })
    }

    fn new<S: Saga>() -> Self {
        let steps: Vec<_> = S::steps().into_iter().map(Step::into_data).collect();
        Self {
            name: S::NAME,
            stored: steps.iter().map(StepData::as_stored).collect(),
            by_id: steps.iter().map(|step| step.id).zip(0..).collect(),
            steps,
            read: |stored| Ok(Arc::new((S::codec().read)(stored)?)),
            key: |input| input.downcast_ref::<S>().map(Saga::key),
        }
    }

    /// How the first so many steps differ from those that a saga was begun with. Steps behind them may differ, unless there
    /// is nothing in their place: that is code from before they were added, which would end the saga without them.
    pub(crate) fn difference(&self, begun: &StoredSteps, touched: usize) -> Option<String> {
        let was = |at: usize| begun.get(at).map(|(id, output)| (&**id, &**output));
        let is = |at: usize| self.steps.get(at).map(|step| (step.id, &*step.output));
        let first = |until: usize| (0..until).find(|at| was(*at) != is(*at));
        let at = first(touched).or_else(|| first(begun.len()).filter(|at| is(*at).is_none()))?;
        let number = at + 1;
        Some(format!(
            "step {number} was {} and is {}",
            shown(was(at)),
            shown(is(at))
        ))
    }

    /// The number of the step with this id, or how the steps differ from those of code that has run one.
    pub(super) fn step(&self, id: &str) -> Result<usize, String> {
        let known = self.by_id.get(id).copied();
        known.ok_or_else(|| self.without(id))
    }

    /// How it differs from code that has run a step that is not here.
    fn without(&self, id: &str) -> String {
        let steps: Vec<_> = self
            .steps
            .iter()
            .map(|step| format!("`{}`", step.id))
            .collect();
        let steps = match steps.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
            steps => steps.concat(),
        };
        format!("it has run the step `{id}`, and the steps are {steps} now")
    }

    /// The steps as they are stored.
    pub(super) fn stored_steps(&self) -> Arc<StoredSteps> {
        Arc::clone(&self.stored)
    }

    /// The saga's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its steps as they are written into the head of a saga: each id with the type of its output. What is under
    /// way goes on only with a definition that begins with the steps that are done.
    pub fn steps(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.steps.iter().map(|step| (step.id, &*step.output))
    }
}

fn shown(step: Option<(&str, &str)>) -> String {
    step.map_or_else(
        || "not there".to_owned(),
        |(id, output)| format!("`{id}` with the output `{output}`"),
    )
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("name", &self.name)
            .field("steps", &self.steps().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
