//! What each parameter of a step stands for, and of the methods that belong to it.
//!
//! Each parameter, and each rule a function below:
//!
//! 1. With `#[dep]` it is a reference to what the coordinator provides.
//! 2. `item`, in a step with `each` and in what undoes it, is one of the items.
//! 3. The name of a step that is surely done by then is its output, in the form that its options give it. In a
//!    compensation, the name of the step that it undoes is what that has put out.
//! 4. A reference to a `StepContext` is that.
//!
//! There is nothing else. A name may have an underscore in front, for what is not used.

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::{GenericArgument, PathArguments, Type, TypeReference};

use super::args::StepArgs;
use super::check::TOGETHER;
use super::model::{Declaration, Form, Method, Parameter};
use crate::diagnose::{Mistakes, listed, nearest};
use crate::function::ungrouped;

/// What a parameter stands for.
#[derive(Debug, Clone)]
pub(super) enum Argument {
    Context,
    Dependency(Box<Type>),
    Item,
    /// The output of an earlier step.
    Output {
        step: usize,
        form: Form,
    },
    /// In a compensation, the output of the step that is undone.
    Own {
        optional: bool,
    },
    /// Nothing: it is a mistake, and reported.
    Mistaken,
}

/// What a method does for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Step,
    Compensation,
    Condition,
}

/// The steps among which names are looked up.
#[derive(Debug)]
pub(super) struct Scene<'a, 's> {
    pub(super) steps: &'s [Declaration<'a>],
}

/// A parameter in its place.
#[derive(Clone, Copy)]
struct Place<'a, 's> {
    scene: &'s Scene<'a, 's>,
    parameter: &'s Parameter,
    role: Role,
    /// The step.
    at: usize,
}

impl<'a, 's> Scene<'a, 's> {
    pub(super) fn new(steps: &'s [Declaration<'a>]) -> Self {
        Self { steps }
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.steps
            .iter()
            .position(|step| step.name().unraw() == name)
    }

    /// Whether two steps may run at the same time.
    fn run_together(&self, one: usize, other: usize) -> bool {
        let (first, last) = (one.min(other), one.max(other));
        self.steps[first..=last]
            .iter()
            .all(|step| step.args.parallel.is_some())
    }
}

/// What the parameters of `method` stand for, which the step `at` calls.
pub(super) fn arguments(
    method: &Method,
    role: Role,
    at: usize,
    scene: &Scene<'_, '_>,
    mistakes: &mut Mistakes,
) -> Vec<Argument> {
    let argument = |parameter| {
        let place = Place {
            scene,
            parameter,
            role,
            at,
        };
        place.argument().unwrap_or_else(|error| {
            mistakes.push(error);
            Argument::Mistaken
        })
    };
    method.parameters.iter().map(argument).collect()
}

impl Place<'_, '_> {
    fn argument(self) -> syn::Result<Argument> {
        if self.parameter.dep.is_some() {
            return self.dependency();
        }
        let Some(name) = self.parameter.name() else {
            return Err(syn::Error::new_spanned(
                &self.parameter.pattern,
                "a parameter is told by its name, so it needs one; take it apart in the body",
            ));
        };
        // As anywhere in Rust, what is there and not used may begin with an underscore.
        let plain = name.unraw().to_string();
        let used = plain.strip_prefix('_').unwrap_or(&plain);
        if used == "item" && self.args().each.is_some() && self.role != Role::Condition {
            return self.item(name);
        }
        match self.scene.named(&plain).or_else(|| self.scene.named(used)) {
            Some(step) => self.output(name, step),
            None if is_context(&self.parameter.ty) => self.context(name),
            None => Err(syn::Error::new_spanned(name, self.unknown(name))),
        }
    }

    fn dependency(self) -> syn::Result<Argument> {
        let ty = &self.parameter.ty;
        let lent = match ungrouped(ty) {
            Type::Reference(TypeReference {
                mutability: None,
                elem,
                ..
            }) => elem,
            Type::Reference(TypeReference { elem, .. }) => {
                let elem = written(elem);
                return Err(self.wrong_type(format!(
                    "a dependency is lent to many at once: take `&{elem}`, and let it lock what it changes"
                )));
            }
            _ => {
                let ty = written(ty);
                return Err(self.wrong_type(format!("a dependency is lent: take `&{ty}`")));
            }
        };
        match ungrouped(lent) {
            Type::TraitObject(_) | Type::Slice(_) => {
                let lent = written(lent);
                Err(self.wrong_type(format!(
                    "a dependency is found by its type, which has a size: provide an `Arc<{lent}>`, and take \
                     `&Arc<{lent}>`"
                )))
            }
            lent => Ok(Argument::Dependency(Box::new(lent.clone()))),
        }
    }

    fn item(self, name: &Ident) -> syn::Result<Argument> {
        match shape(&self.parameter.ty) {
            Shape::Lent | Shape::Slice => Ok(Argument::Item),
            _ => Err(self.wrong_type(format!(
                "the items belong to the saga and are lent: take `{name}: &T`"
            ))),
        }
    }

    fn context(self, name: &Ident) -> syn::Result<Argument> {
        match shape(&self.parameter.ty) {
            Shape::Lent => Ok(Argument::Context),
            _ => Err(self.wrong_type(format!("the context is lent: take `{name}: &StepContext`"))),
        }
    }

    /// The output of `step`, which is called `name`.
    fn output(self, name: &Ident, step: usize) -> syn::Result<Argument> {
        if step == self.at && self.role == Role::Compensation {
            return self.own(name);
        }
        if let Some(problem) = self.not_done(name, step) {
            return Err(syn::Error::new_spanned(name, problem));
        }
        let form = self.scene.steps[step].form();
        let (name, output) = (name.unraw(), self.lent());
        let problem = match (form, shape(&self.parameter.ty)) {
            (Form::One, Shape::Lent | Shape::Slice)
            | (Form::Optional, Shape::Optional)
            | (Form::All, Shape::Slice) => return Ok(Argument::Output { step, form }),
            (Form::One, Shape::Optional) => {
                format!(
                    "`{name}` always runs before this, so its output is there: take `&{output}`"
                )
            }
            (Form::One, _) => {
                format!("outputs are kept for other steps, and lent: take `&{output}`")
            }
            (Form::Optional, _) => {
                format!(
                    "`{name}` has `when`, so there may be no output of it: take `Option<&{output}>`"
                )
            }
            (Form::All, _) => {
                format!(
                    "`{name}` has `each`, so there is an output for each item: take `&[{output}]`"
                )
            }
        };
        Err(self.wrong_type(problem))
    }

    /// What the step has put out that this compensation undoes.
    fn own(self, name: &Ident) -> syn::Result<Argument> {
        if let Some(cfg) = self.parameter.cfg.first() {
            return Err(syn::Error::new_spanned(
                cfg,
                "whether this is there decides when the compensation is called, so no `cfg` can: take it always, and \
                 use it where `cfg!(…)` says so",
            ));
        }
        match shape(&self.parameter.ty) {
            Shape::Lent | Shape::Slice if !self.is_slice_of_items() => {
                Ok(Argument::Own { optional: false })
            }
            Shape::Optional => Ok(Argument::Own { optional: true }),
            Shape::Slice => Err(self.wrong_type(format!(
                "`{}` is undone item by item: take `&{1}`, and `item` for the item",
                name.unraw(),
                self.lent()
            ))),
            _ => {
                let output = self.lent();
                Err(self.wrong_type(format!(
                    "what is undone is lent: take `&{output}`, or `Option<&{output}>` to be called also if it is \
                     unknown whether `{}` was done",
                    name.unraw()
                )))
            }
        }
    }

    /// Whether it looks like the outputs of all items, where there is one.
    fn is_slice_of_items(self) -> bool {
        self.args().each.is_some() && shape(&self.parameter.ty) == Shape::Slice
    }

    /// Why the output of `step` may not be there.
    fn not_done(self, name: &Ident, step: usize) -> Option<String> {
        let own = self.scene.steps[self.at].name().unraw();
        let name = name.unraw();
        let problem = match self.role {
            Role::Step if step == self.at => {
                format!("`{name}` is this step itself, whose output is there only when it has run")
            }
            Role::Condition if step == self.at => {
                format!("this decides whether `{name}` is run, so there is no output of it yet")
            }
            _ if self.scene.run_together(step, self.at) => format!(
                "`{name}` is parallel to `{own}`, so its output may not be there: leave `parallel` out of one of \
                 them, or let a step behind both put them together"
            ),
            Role::Compensation if step > self.at => format!(
                "`{name}` runs after `{own}`, so there may be no output of it when `{own}` is undone: keep what \
                 undoing needs in the output of `{own}`"
            ),
            _ if step > self.at => format!(
                "`{name}` runs after `{own}`: steps run in the order written, so move `{name}` before it"
            ),
            _ => return None,
        };
        Some(problem)
    }

    fn unknown(self, name: &Ident) -> String {
        let name = name.unraw().to_string();
        let known: Vec<_> = self
            .known()
            .map(|step| step.name().unraw().to_string())
            .collect();
        let known = || known.iter().map(String::as_str);
        if name == "item" {
            let own = self.scene.steps[self.at].name().unraw();
            return format!(
                "`item` is for a step that runs once for each item: write `#[step(each = …)]` on `{own}`, with the \
                 field that has the items"
            );
        }
        let question = nearest(&name, known())
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        let outputs = match listed(known(), "", "") {
            none if none.is_empty() => "no step is done before this one".to_owned(),
            all => format!("available: the outputs of {all}"),
        };
        let item = match self.args().each {
            Some(_) => "the item that this run is about is `item: &T`\n",
            None => "",
        };
        format!(
            "`{name}` is no step{question}\n{outputs}\n{item}what the coordinator provides is marked: \
             `#[dep] {name}: &T`; the context is a `&StepContext`\n{TOGETHER}"
        )
    }

    /// The steps whose output this can have.
    fn known(&self) -> impl Iterator<Item = Declaration<'_>> {
        let place = *self;
        let steps = place.scene.steps.iter().enumerate();
        steps
            .filter(move |(step, declaration)| {
                let own = *step == place.at && place.role == Role::Compensation;
                own || place.not_done(declaration.name(), *step).is_none()
            })
            .map(|(_, declaration)| *declaration)
    }

    fn args(&self) -> &StepArgs {
        self.scene.steps[self.at].args
    }

    /// The type that the parameter is about, without what is around it.
    fn lent(&self) -> String {
        written(inner(&self.parameter.ty))
    }

    fn wrong_type(&self, problem: String) -> syn::Error {
        syn::Error::new_spanned(&self.parameter.ty, problem)
    }
}

/// What a type looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `&T`
    Lent,
    /// `&[T]`
    Slice,
    /// `Option<&T>`
    Optional,
    Other,
}

fn shape(ty: &Type) -> Shape {
    match ungrouped(ty) {
        Type::Reference(TypeReference {
            mutability: None,
            elem,
            ..
        }) => match ungrouped(elem) {
            Type::Slice(_) => Shape::Slice,
            _ => Shape::Lent,
        },
        ty => match in_generic("Option", ty).map(ungrouped) {
            Some(Type::Reference(TypeReference {
                mutability: None, ..
            })) => Shape::Optional,
            _ => Shape::Other,
        },
    }
}

/// `T` of a generic type that is called `name`.
fn in_generic<'a>(name: &str, ty: &'a Type) -> Option<&'a Type> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path
        .path
        .segments
        .last()
        .filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// `T` of `&T`, `Option<&T>`, `&[T]` and `&Vec<T>`.
fn inner(ty: &Type) -> &Type {
    match ungrouped(ty) {
        Type::Reference(reference) => {
            let lent = inner(&reference.elem);
            in_generic("Vec", lent).unwrap_or(lent)
        }
        Type::Slice(slice) => &slice.elem,
        ty => in_generic("Option", ty).map_or(ty, inner),
    }
}

/// A type as one would write it.
fn written(ty: &Type) -> String {
    let tokens = ty.to_token_stream().to_string();
    [
        (" < ", "<"),
        (" >", ">"),
        (" :: ", "::"),
        (" ,", ","),
        ("& ", "&"),
    ]
    .into_iter()
    .fold(tokens, |text, (spaced, closed)| {
        text.replace(spaced, closed)
    })
}

fn is_context(ty: &Type) -> bool {
    let Type::Path(path) = inner(ty) else {
        return false;
    };
    path.path
        .segments
        .last()
        .is_some_and(|last| last.ident == "StepContext")
}
