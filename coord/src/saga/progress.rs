//! How far a saga has got, folded from what happened to it.

use std::sync::Arc;
use std::time::Duration;

use super::definition::Definition;
use super::error::StepError;
use super::head::now;
use super::journal::Fold;
use super::log::{Event, Kind, Line};
use super::outputs::Outputs;
use super::step::Input;

/// A run of a step: the step and, with `each`, the item.
pub(super) type Run = (usize, usize);

/// The progress of a saga whose definition is known.
pub(super) struct Progress {
    definition: Arc<Definition>,
    steps: Vec<StepProgress>,
    /// The runs that were begun, in that order.
    begun: Vec<Run>,
    pub(super) outputs: Arc<Outputs>,
    pub(super) unwinding: Option<Cause>,
    pub(super) cancelled: bool,
    /// What has failed for good, and first.
    failed: Option<Cause>,
    pub(super) past_pivot: bool,
    /// All steps before this one are done or left out.
    settled: usize,
}

struct StepProgress {
    skipped: bool,
    runs: Vec<RunProgress>,
    /// All runs before this one are done.
    settled: usize,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RunProgress {
    pub(super) standing: Standing,
    /// How many attempts have failed, and how many were cut off by a takeover.
    pub(super) failures: u32,
    cut_off: u32,
    pub(super) undo_failures: u32,
    undo_cut_off: u32,
    wait: Option<Wait>,
    /// Whether an attempt may have been cut off, so that it is not known whether it has taken effect.
    may_be_cut_off: bool,
    /// Whether the last attempt has failed for good.
    has_failed: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    Untouched,
    Begun,
    Done,
    /// Done, with an output that is not stored.
    Unstored,
    Undone,
}

/// The time before the next attempt.
#[derive(Debug, Clone, Copy)]
struct Wait {
    since: u64,
    delay: u64,
}

/// How far the clocks of two processes may be apart, in milliseconds.
const CLOCKS_APART: u64 = 60 * 1000;

impl Wait {
    /// Whether the next attempt may have begun by then, which another process says.
    fn may_have_passed(&self, at: u64) -> bool {
        self.since.saturating_add(self.delay) <= at.saturating_add(CLOCKS_APART)
    }
}

/// Why a saga goes backwards.
#[derive(Debug, Clone)]
pub(super) enum Cause {
    Cancelled,
    Failed { run: Run, error: StepError },
}

/// What to do next.
#[derive(Default)]
pub(super) struct Next {
    /// What begins it, and which steps are left out before.
    pub(super) events: Vec<Event>,
    /// Runs that go on together; none, if all steps are done.
    pub(super) runs: Vec<Run>,
}

impl Progress {
    pub(super) fn new(definition: &Arc<Definition>, input: &Input) -> Self {
        let counts: Vec<_> = definition
            .steps
            .iter()
            .map(|step| step.count(input))
            .collect();
        let step = |count: &usize| StepProgress {
            skipped: false,
            runs: vec![RunProgress::default(); *count],
            settled: 0,
        };
        Self {
            steps: counts.iter().map(step).collect(),
            begun: Vec::new(),
            outputs: Arc::new(Outputs::of_runs(counts)),
            unwinding: None,
            cancelled: false,
            failed: None,
            past_pivot: false,
            settled: 0,
            definition: Arc::clone(definition),
        }
    }

    pub(super) fn run(&self, (step, item): Run) -> RunProgress {
        let run = self.steps.get(step).and_then(|step| step.runs.get(item));
        run.copied().unwrap_or_default()
    }

    /// Why it is to go backwards, if it is.
    pub(super) fn turns_back(&self) -> Option<Cause> {
        if self.past_pivot {
            return None;
        }
        let cancelled = || self.cancelled.then_some(Cause::Cancelled);
        self.failed.clone().or_else(cancelled)
    }

    /// The runs of which it is not known whether they have taken effect: they are made again before the saga goes backwards,
    /// since nothing is undone that is not known to be done.
    pub(super) fn in_doubt(&self) -> Vec<Run> {
        let begun = self.begun.iter().copied();
        begun.filter(|run| self.run(*run).is_in_doubt()).collect()
    }

    /// The runs that were begun, the latest first.
    pub(super) fn begun_in_reverse(&self) -> impl Iterator<Item = Run> + use<> {
        self.begun.clone().into_iter().rev()
    }

    /// How many steps of the definition were touched: those up to the last one that was begun or left out.
    pub(super) fn touched(&self) -> usize {
        let touched = |step: &StepProgress| {
            step.skipped
                || step
                    .runs
                    .iter()
                    .any(|run| run.standing != Standing::Untouched)
        };
        self.steps
            .iter()
            .rposition(touched)
            .map_or(0, |last| last + 1)
    }

    /// A step that was left out, and has no condition any more: whoever asks for its output would find none.
    pub(super) fn wrongly_skipped(&self) -> Option<&'static str> {
        let steps = self.steps.iter().zip(&self.definition.steps);
        let found = steps
            .into_iter()
            .find(|(step, data)| step.skipped && data.when.is_none());
        found.map(|(_, data)| data.id)
    }

    /// Finds what is `next`. `is_wanted` is asked of each step that is come to.
    pub(super) fn plan<E>(
        &mut self,
        next: &mut Next,
        mut is_wanted: impl FnMut(usize, &Arc<Outputs>) -> Result<bool, (usize, E)>,
    ) -> Result<(), (usize, E)> {
        let mut at = self.first_unsettled();
        // A pivot without an item is passed without a word.
        for passed in self.settled..at {
            self.pass(passed);
        }
        self.settled = at;
        while at < self.steps.len() {
            let parallel = self.definition.steps[at].parallel;
            if !next.runs.is_empty() && !parallel {
                break;
            }
            let step = &self.steps[at];
            let is_new = step
                .runs
                .iter()
                .all(|run| run.standing == Standing::Untouched);
            if !step.skipped && is_new && !is_wanted(at, &self.outputs)? {
                self.steps[at].skipped = true;
                next.events.push(Event::of_run(Kind::Skipped, (at, 0)));
            }
            self.add_runs(at, parallel, next);
            if !next.runs.is_empty() && !parallel {
                break;
            }
            if next.runs.is_empty() {
                self.pass(at);
                self.settled = at + 1;
            }
            at += 1;
        }
        Ok(())
    }

    fn add_runs(&self, at: usize, all: bool, next: &mut Next) {
        let step = &self.steps[at];
        if step.skipped {
            return;
        }
        let unsettled = step.runs.iter().enumerate().skip(step.settled);
        for (item, run) in unsettled.filter(|(_, run)| run.standing != Standing::Done) {
            if run.standing == Standing::Untouched {
                next.events.push(Event::of_run(Kind::Started, (at, item)));
            }
            next.runs.push((at, item));
            if !all {
                return;
            }
        }
    }

    fn first_unsettled(&self) -> usize {
        let unsettled = |step: &StepProgress| !step.skipped && step.settled < step.runs.len();
        let found = self.steps[self.settled..].iter().position(unsettled);
        found.map_or(self.steps.len(), |found| self.settled + found)
    }
}

impl RunProgress {
    /// Which attempt the next one is.
    pub(super) fn attempt(&self) -> u32 {
        1 + self.failures + self.cut_off
    }

    /// Which attempt to undo it the next one is.
    pub(super) fn undo_attempt(&self) -> u32 {
        1 + self.undo_failures + self.undo_cut_off
    }

    /// Whether it is not known whether it has taken effect.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.standing == Standing::Begun && self.may_be_cut_off && !self.has_failed
    }

    /// How long to wait before the next attempt, if that was put off. A clock that was set back makes that no longer than
    /// the policy has said.
    pub(super) fn waits(&self) -> Option<Duration> {
        let wait = self.wait.filter(|wait| wait.delay > 0)?;
        let passed = now().saturating_sub(wait.since);
        Some(Duration::from_millis(wait.delay.saturating_sub(passed)))
    }
}

impl Fold for Progress {
    fn id(&self, step: usize) -> &str {
        self.definition.steps.get(step).map_or("", |step| step.id)
    }

    fn step(&mut self, line: &Line<'_>) -> Result<usize, String> {
        let step = self.definition.step(&line.step)?;
        let items = self.steps[step].runs.len();
        // These are of the step as a whole, which may have no item.
        let has_items = !matches!(line.kind, Kind::Skipped | Kind::Unwinding);
        if has_items && line.item >= items {
            let (id, number) = (&line.step, line.item.saturating_add(1));
            return Err(format!(
                "it has begun item number {number} of the step `{id}`, of which there are {items} now"
            ));
        }
        Ok(step)
    }

    fn apply(&mut self, event: Event) {
        let at = (event.step, event.item);
        match event.kind {
            Kind::Takeover => return self.cut_off(event.at),
            Kind::Cancelled => return self.cancelled = true,
            Kind::Unwinding => {
                self.unwinding = Some(match event.error {
                    None => Cause::Cancelled,
                    Some(error) => Cause::Failed {
                        run: at,
                        error: StepError::of_text(error),
                    },
                });
                return self.wait_for_no_step();
            }
            _ => {}
        }
        let Some(step) = self.steps.get_mut(event.step) else {
            return;
        };
        if event.kind == Kind::Skipped {
            step.skipped = true;
            return self.pass(event.step);
        }
        let Some(run) = step.runs.get_mut(event.item) else {
            return;
        };
        let wait = event.delay.map(|delay| Wait {
            since: event.at,
            delay,
        });
        let is_last = matches!(event.kind, Kind::Failed | Kind::Unstored) && wait.is_none();
        if is_last && self.failed.is_none() {
            let error = StepError::of_text(event.error.unwrap_or_default());
            self.failed = Some(Cause::Failed { run: at, error });
        }
        match event.kind {
            Kind::Started if run.standing == Standing::Untouched => {
                run.standing = Standing::Begun;
                self.begun.push(at);
                // As in `plan`, which whoever reads this in the log has not asked.
                let before = self.steps[..event.step].iter().zip(&self.definition.steps);
                let mut before = before.filter(|(step, _)| step.runs.is_empty());
                self.past_pivot |= before.any(|(_, data)| data.pivot);
            }
            Kind::Failed => {
                run.failures += 1;
                run.wait = wait;
                run.has_failed = is_last;
            }
            Kind::Unstored => {
                run.failures += 1;
                run.wait = None;
                run.standing = Standing::Unstored;
                self.pass(event.step);
            }
            Kind::Done => {
                run.standing = Standing::Done;
                run.wait = None;
                while step
                    .runs
                    .get(step.settled)
                    .is_some_and(|run| run.standing == Standing::Done)
                {
                    step.settled += 1;
                }
                let is_whole = step.settled == step.runs.len();
                if let Some(output) = event.output {
                    self.outputs.record(at, output);
                }
                if is_whole {
                    self.pass(event.step);
                }
            }
            Kind::Undone => run.standing = Standing::Undone,
            Kind::UndoFailed => {
                run.undo_failures += 1;
                run.wait = wait;
            }
            _ => {}
        }
    }
}

impl Progress {
    /// A step is done, be it with an output that is not stored, or left out: what comes behind a pivot cannot be undone either way.
    fn pass(&mut self, step: usize) {
        self.past_pivot |= self.definition.steps[step].pivot;
    }

    /// No step is attempted again, so what undoes one does not wait until it would have been.
    fn wait_for_no_step(&mut self) {
        for (step, item) in &self.begun {
            self.steps[*step].runs[*item].wait = None;
        }
    }

    /// Whoever had the saga is gone, in the middle of whatever it had begun.
    fn cut_off(&mut self, at: u64) {
        let backwards = self.unwinding.is_some();
        for (step, item) in &self.begun {
            let run = &mut self.steps[*step].runs[*item];
            run.may_be_cut_off |= run.wait.is_none_or(|wait| wait.may_have_passed(at));
            match (run.standing, backwards) {
                (Standing::Begun, false) if run.wait.is_none() => run.cut_off += 1,
                (Standing::Begun | Standing::Done | Standing::Unstored, true)
                    if run.wait.is_none() =>
                {
                    run.undo_cut_off += 1;
                }
                _ => {}
            }
        }
    }
}
