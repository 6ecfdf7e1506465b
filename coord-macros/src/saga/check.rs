//! What an impl with `#[saga]` must fulfil.
//!
//! Of the saga as a whole, each rule a function below:
//!
//! 1. It is the impl of one type, and has a name of its own if that type is made of a generic one.
//! 2. It has a step, and each step an id of its own.
//! 3. There is one point of no return. It stands alone, and what is behind it is not undone.
//! 4. A step that is parallel has a neighbour that is.
//! 5. Options are known without an input, and a timeout is not zero.
//! 6. `compensate` and `when` name methods of the impl that are not steps.
//! 7. No method is called as one that the saga has already.
//! 8. No `cfg` decides whether a step is there, nor what it names.
//! 9. `#[dep]` stands where something is asked for: in a step, in what undoes it, in what it depends on.
//!
//! The rules about one method are in `signature`, and those about one parameter in `arguments`.

use std::collections::HashMap;
use std::time::Duration;

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::{PathArguments, Type};

use super::args::{RetryArg, StepArgs, find_self};
use super::arguments::{Argument, Role, Scene, arguments};
use super::model::{Declaration, Declared, Method, Parameter, cfg, may_be_step};
use super::retry::StepRetry;
use super::signature;
use crate::diagnose::{Mistakes, listed, nearest};
use crate::function::ungrouped;

/// The methods that `#[saga]` gives a struct.
const GIVEN: [&str; 5] = ["run", "run_with", "start", "start_with", "diagram"];

/// What to say when a name is looked for in another impl.
pub(super) const TOGETHER: &str = "all steps and their compensations stand in one `#[saga] impl`";

/// A step, with what it needs and what belongs to it.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) declaration: Declaration<'a>,
    pub(super) run: Called<'a>,
    pub(super) undo: Option<Called<'a>>,
    pub(super) when: Option<Called<'a>>,
    pub(super) retry: Option<StepRetry>,
}

/// A method with what it is called with.
#[derive(Debug)]
pub(super) struct Called<'a> {
    pub(super) method: &'a Method,
    pub(super) arguments: Vec<Argument>,
}

impl<'a> Step<'a> {
    /// All methods that it calls.
    pub(super) fn called(&self) -> impl Iterator<Item = &Called<'a>> {
        let others = [&self.when, &self.undo].into_iter().flatten();
        [&self.run].into_iter().chain(others)
    }
}

impl Called<'_> {
    /// The parameters, each with what it is given.
    pub(super) fn filled(&self) -> impl Iterator<Item = (&Parameter, &Argument)> {
        self.method.parameters.iter().zip(&self.arguments)
    }
}

/// Checks everything, and gives what each parameter of the steps stands for.
pub(super) fn check<'a>(declared: &'a Declared, mistakes: &mut Mistakes) -> Vec<Step<'a>> {
    check_one_type(declared, mistakes);
    let declarations = declared.steps();
    check_steps(declared, &declarations, mistakes);
    check_names_are_free(declared, mistakes);
    check_ids(&declarations, mistakes);
    check_pivots(&declarations, mistakes);
    check_parallel(&declarations, mistakes);
    for declaration in &declarations {
        check_known_without_input(declaration.args, mistakes);
        check_timeout(declaration.args, mistakes);
        check_always_there(declaration.method, mistakes);
        signature::check_run(declaration.method, "step", mistakes);
    }
    let scene = Scene::new(&declarations);
    let mut called = Vec::new();
    let steps: Vec<_> = (0..declarations.len())
        .map(|at| step(declared, &scene, at, &mut called, mistakes))
        .collect();
    check_dependencies_are_asked_for(declared, &called, mistakes);
    check_undone_before_the_pivot(&steps, mistakes);
    steps
}

/// What a step is made of. Notes the methods that it calls.
fn step<'a>(
    declared: &'a Declared,
    scene: &Scene<'a, '_>,
    at: usize,
    called: &mut Vec<&'a Ident>,
    mistakes: &mut Mistakes,
) -> Step<'a> {
    let declaration = scene.steps[at];
    let Declaration { method, args } = declaration;
    let mut call = |method: &'a Method, role, mistakes: &mut Mistakes| {
        let is_new = !called.contains(&method.name());
        called.push(method.name());
        match role {
            Role::Compensation if is_new => signature::check_run(method, "compensation", mistakes),
            Role::Condition if is_new => signature::check_condition(method, mistakes),
            _ => {}
        }
        Called {
            method,
            arguments: arguments(method, role, at, scene, mistakes),
        }
    };
    let run = call(method, Role::Step, mistakes);
    let undo = args
        .compensate
        .as_ref()
        .and_then(|name| find(declared, "compensate", &name.0, mistakes))
        .map(|method| call(method, Role::Compensation, mistakes));
    let when = args
        .when
        .as_ref()
        .and_then(|name| find(declared, "when", &name.0, mistakes))
        .map(|method| call(method, Role::Condition, mistakes));
    let retry = args.retry.as_ref();
    let retry = retry.map(|retry| StepRetry::read(retry, &declared.paths, mistakes));
    Step {
        declaration,
        run,
        undo,
        when,
        retry,
    }
}

fn check_one_type(declared: &Declared, mistakes: &mut Mistakes) {
    let written = &declared.written;
    if let Some(of_trait) = &written.of_trait {
        mistakes.under(
            of_trait,
            "steps stand in an impl of the saga itself, not of a trait: write `impl` and the struct",
        );
    }
    if let Some(where_clause) = &written.generics.where_clause
        && written.generics.params.is_empty()
    {
        mistakes.under(
            where_clause,
            "a saga is one type, of which nothing is left to ask; leave this out",
        );
    }
    let Type::Path(path) = ungrouped(&written.saga) else {
        mistakes.under(&written.saga, "a saga is a struct; write the impl of one");
        return;
    };
    let Some(last) = path.path.segments.last() else {
        return;
    };
    if !written.generics.params.is_empty() {
        let name = &last.ident;
        mistakes.under(
            &written.generics,
            format!(
                "a saga is found by its name after a crash, so each is one type: write `#[saga(name = \"…\")] impl \
                 {name}<…>` for each type that fills `{name}`, and share code through functions with parameters"
            ),
        );
    } else if !matches!(last.arguments, PathArguments::None) && declared.name.is_none() {
        mistakes.under(
            &written.saga,
            format!(
                "`{}` can be made of other types too, and each is a saga with a name of its own: write \
                 `#[saga(name = \"…\")]`",
                last.ident
            ),
        );
    }
}

fn check_steps(declared: &Declared, steps: &[Declaration<'_>], mistakes: &mut Mistakes) {
    if steps.is_empty() && declared.written.of_trait.is_none() {
        mistakes.under(
            &declared.written.saga,
            "this saga has no step; mark the methods that are steps with `#[step]`, in the order in which they run",
        );
    }
}

fn check_names_are_free(declared: &Declared, mistakes: &mut Mistakes) {
    for name in declared.methods.iter().map(Method::name) {
        if GIVEN.iter().any(|given| name == given) {
            mistakes.under(
                name,
                format!(
                    "every saga is given a method `{name}`; call this one something else, and keep what \
                     it is called in the store with `#[step(id = \"{name}\")]`"
                ),
            );
        }
    }
}

fn check_ids(steps: &[Declaration<'_>], mistakes: &mut Mistakes) {
    let mut seen: HashMap<String, &Ident> = HashMap::new();
    for step in steps {
        let (id, name) = (step.id(), step.name());
        match seen.get(&id) {
            // Two methods with one name are the compiler's to report.
            Some(first) if *first == name => {}
            Some(first) => {
                let message = format!(
                    "the step `{}` has the id `{id}` already; give each step one of its own, and never one that \
                     another step had",
                    first.unraw()
                );
                match &step.args.id {
                    Some(id) => mistakes.under(&id.0, message),
                    None => mistakes.under(name, message),
                }
            }
            None => {
                seen.insert(id, name);
            }
        }
    }
}

fn check_pivots(steps: &[Declaration<'_>], mistakes: &mut Mistakes) {
    let mut first: Option<&Ident> = None;
    for step in steps {
        let args = step.args;
        if let (Some(pivot), Some(first)) = (&args.pivot, first) {
            mistakes.under(
                &pivot.0,
                format!(
                    "`{}` is the pivot already: there is one point of no return, and everything behind it goes \
                     forward",
                    first.unraw()
                ),
            );
        } else if let (Some(compensate), Some(first)) = (&args.compensate, first) {
            mistakes.under(
                &compensate.0,
                format!(
                    "behind the pivot `{}` nothing is undone, so this would never be called: leave `compensate` out, \
                     or move the step before the pivot",
                    first.unraw()
                ),
            );
        }
        if let (Some(pivot), Some(_)) = (&args.pivot, &args.parallel) {
            mistakes.under(
                &pivot.0,
                "the point of no return stands alone: leave `parallel` out, or mark the step behind the parallel ones",
            );
        }
        first = first.or_else(|| args.pivot.is_some().then(|| step.name()));
    }
}

/// When the pivot is done it is not undone any more. Before, there is something to undo only if its outcome is
/// unknown, or if it is done for some items.
fn check_undone_before_the_pivot(steps: &[Step<'_>], mistakes: &mut Mistakes) {
    for step in steps {
        let args = step.declaration.args;
        let (Some(_), Some(undo), None, Some(name)) =
            (&args.pivot, &step.undo, &args.each, &args.compensate)
        else {
            continue;
        };
        let of_unknown = undo
            .arguments
            .iter()
            .any(|argument| matches!(argument, Argument::Own { optional: true }));
        if !of_unknown {
            let own = step.declaration.name().unraw();
            mistakes.under(
                &name.0,
                format!(
                    "a pivot that is done is not undone: leave `compensate` out, or take `{own}: Option<&…>` in \
                     `{}`, which is then called if the outcome of `{own}` is unknown",
                    name.0
                ),
            );
        }
    }
}

fn check_parallel(steps: &[Declaration<'_>], mistakes: &mut Mistakes) {
    for (at, step) in steps.iter().enumerate() {
        let is_parallel = |other: Option<&Declaration<'_>>| {
            other.is_some_and(|step| step.args.parallel.is_some())
        };
        let has_neighbour =
            is_parallel(steps.get(at + 1)) || at > 0 && is_parallel(steps.get(at - 1));
        if let Some(parallel) = step.args.parallel.as_ref().filter(|_| !has_neighbour) {
            mistakes.under(
                &parallel.0,
                "no neighbour of this step is parallel, so there is nothing to run it together with: mark the step \
                 before or behind it too, or leave this out",
            );
        }
    }
}

fn check_known_without_input(args: &StepArgs, mistakes: &mut Mistakes) {
    let StepArgs { retry, timeout, .. } = args;
    let retry = retry.as_ref().and_then(|retry| match retry {
        RetryArg::Preset(_) => None,
        RetryArg::Policy(policy) => find_self(policy.to_token_stream()),
        RetryArg::Parts(parts) => find_self(parts.clone()),
    });
    let timeout = timeout
        .as_ref()
        .and_then(|timeout| find_self(timeout.written.to_token_stream()));
    for written in [retry, timeout].into_iter().flatten() {
        mistakes.under(
            written,
            "there is no `self` here: options are the same for every saga of this type; write a constant, or call a \
             function",
        );
    }
}

fn check_timeout(args: &StepArgs, mistakes: &mut Mistakes) {
    let timeout = args.timeout.as_ref();
    if let Some(timeout) = timeout.filter(|timeout| timeout.known == Some(Duration::ZERO)) {
        mistakes.under(
            &timeout.written,
            "no attempt could end in no time; `timeout` is how long one may take",
        );
    }
}

/// Where a step stands among the others is part of what is stored.
fn check_always_there(step: &Method, mistakes: &mut Mistakes) {
    for attribute in &step.function.attrs {
        if attribute.path().is_ident("cfg") || may_be_step(attribute) {
            mistakes.under(
                attribute,
                "a step is always there, since its place is stored: write `when = method`, where the method asks \
                 `cfg!(…)`, or an impl with `#[saga]` for each case, with the `#[cfg(…)]` above it",
            );
        }
    }
}

/// The method that an option names.
fn find<'a>(
    declared: &'a Declared,
    option: &str,
    name: &Ident,
    mistakes: &mut Mistakes,
) -> Option<&'a Method> {
    match declared.method(name) {
        Some(method) if method.step.is_some() => {
            mistakes.under(
                name,
                format!("`{name}` is a step itself; `{option}` names a method that is none"),
            );
            None
        }
        Some(method) => {
            let cfg = cfg(&method.function.attrs).into_iter().next();
            // Of several, one is there.
            if let Some(cfg) = cfg.filter(|_| declared.methods_called(name).count() == 1) {
                mistakes.under(
                    cfg,
                    format!(
                        "`{option} = {name}` is there whatever this says: ask `cfg!(…)` in the body, or write another \
                         `{name}` for when it is not"
                    ),
                );
            }
            Some(method)
        }
        None => {
            mistakes.under(name, no_method(declared, option, name));
            None
        }
    }
}

fn no_method(declared: &Declared, option: &str, name: &Ident) -> String {
    let others = declared
        .methods
        .iter()
        .filter(|method| method.step.is_none());
    let known: Vec<_> = others
        .map(|method| method.name().unraw().to_string())
        .collect();
    let known = || known.iter().map(String::as_str);
    let question = nearest(&name.unraw().to_string(), known())
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    let how = match option {
        "when" => format!("fn {name}(&self) -> bool"),
        _ => format!("async fn {name}(&self, …) -> Result<(), …>"),
    };
    match listed(known(), "", "") {
        none if none.is_empty() => {
            format!("there is no method `{name}` in this impl: write `{how}`\n{TOGETHER}")
        }
        all => format!(
            "there is no method `{name}` in this impl{question}\navailable: {all}, or write `{how}`\n{TOGETHER}"
        ),
    }
}

fn check_dependencies_are_asked_for(
    declared: &Declared,
    called: &[&Ident],
    mistakes: &mut Mistakes,
) {
    let idle = declared
        .methods
        .iter()
        .filter(|method| !called.contains(&method.name()));
    for method in idle {
        for dep in method
            .parameters
            .iter()
            .filter_map(|parameter| parameter.dep.as_ref())
        {
            mistakes.under(
                dep,
                format!(
                    "`{0}` is called by you alone, so nothing is provided to it: mark it `#[step]`, name it in \
                     `compensate = {0}`, or leave `#[dep]` out",
                    method.name()
                ),
            );
        }
    }
}
