//! An impl with steps, taken apart: its methods, and what is said of them.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, FnArg, LitStr, Meta, Pat, PatType, Path, Token, Type};

use super::args::{StepArgs, StepsArgs};
use super::written::{Item, Steps};
use crate::args;
use crate::diagnose::Mistakes;
use crate::function::{Function, Shape};
use crate::paths::Paths;

/// An impl with `#[saga]`.
#[derive(Debug)]
pub(super) struct Declared {
    /// The impl without the attributes that belong to `#[saga]`.
    pub(super) written: Steps,
    /// What the attribute calls it.
    pub(super) name: Option<LitStr>,
    pub(super) paths: Paths,
    pub(super) methods: Vec<Method>,
}

/// One of its methods.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) function: Function,
    /// What it takes behind `self`.
    pub(super) parameters: Vec<Parameter>,
    /// What `#[step]` says, if it is one.
    pub(super) step: Option<StepArgs>,
}

/// One parameter of a method.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) pattern: Pat,
    pub(super) ty: Type,
    /// Its `#[dep]`.
    pub(super) dep: Option<Path>,
    /// Its `#[cfg(…)]`. What it is given is there only if it is.
    pub(super) cfg: Vec<Attribute>,
}

/// A method that is a step, and what `#[step]` says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declaration<'a> {
    pub(super) method: &'a Method,
    pub(super) args: &'a StepArgs,
}

/// How outputs are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `&T`
    One,
    /// `Option<&T>`
    Optional,
    /// `&[T]`
    All,
}

impl Declared {
    pub(super) fn read(args: TokenStream, mut written: Steps, mistakes: &mut Mistakes) -> Self {
        let (literals, args) = args::read_named::<StepsArgs>(args, mistakes);
        for literal in literals {
            mistakes.under(
                literal,
                "the key template stands on the struct; on the impl, `#[saga]` has options alone",
            );
        }
        let methods = written
            .items
            .iter_mut()
            .filter_map(|item| read_item(item, mistakes))
            .collect();
        Self {
            written,
            name: args.name.map(|name| name.0),
            paths: Paths::new(args.path.as_ref().map(|path| &path.0)),
            methods,
        }
    }

    /// The steps, in the order written.
    pub(super) fn steps(&self) -> Vec<Declaration<'_>> {
        self.methods
            .iter()
            .filter_map(Method::declaration)
            .collect()
    }

    pub(super) fn method(&self, name: &Ident) -> Option<&Method> {
        self.methods_called(name).next()
    }

    pub(super) fn methods_called(&self, name: &Ident) -> impl Iterator<Item = &Method> {
        self.methods
            .iter()
            .filter(move |method| method.name() == name)
    }
}

impl Method {
    pub(super) fn name(&self) -> &Ident {
        &self.function.signature.ident
    }

    fn declaration(&self) -> Option<Declaration<'_>> {
        let args = self.step.as_ref()?;
        Some(Declaration { method: self, args })
    }

    /// What awaiting it gives, if it can be awaited.
    pub(super) fn output(&self) -> Option<&Type> {
        self.function.shape("step").ok().map(Shape::output)
    }
}

impl<'a> Declaration<'a> {
    pub(super) fn name(self) -> &'a Ident {
        self.method.name()
    }

    /// What the step is called in the store.
    pub(super) fn id(self) -> String {
        let id = self.args.id.as_ref().map(|id| id.0.value());
        id.unwrap_or_else(|| self.name().unraw().to_string())
    }

    /// How others are given its output.
    pub(super) fn form(self) -> Form {
        match (&self.args.each, &self.args.when) {
            (Some(_), _) => Form::All,
            (None, Some(_)) => Form::Optional,
            (None, None) => Form::One,
        }
    }
}

impl Parameter {
    /// Its name, if it is one alone.
    pub(super) fn name(&self) -> Option<&Ident> {
        match &self.pattern {
            Pat::Ident(pattern) if pattern.subpat.is_none() => Some(&pattern.ident),
            _ => None,
        }
    }
}

/// Takes off what belongs to `#[saga]`, and gives the method that the item is.
fn read_item(item: &mut Item, mistakes: &mut Mistakes) -> Option<Method> {
    let found = item
        .attrs_mut()
        .map(|attrs| take("step", attrs))
        .unwrap_or_default();
    let Item::Method(function) = item else {
        for attribute in found {
            mistakes.under(
                attribute.path(),
                "a step is an `async fn`; `#[step]` goes on one",
            );
        }
        return None;
    };
    let may_be = || function.attrs.iter().any(may_be_step);
    let step = read_step(&found, mistakes).or_else(|| may_be().then(StepArgs::default));
    let inputs = &mut function.signature.inputs;
    let parameters = inputs
        .iter_mut()
        .filter_map(|input| read_parameter(input, mistakes))
        .collect();
    let method = Method {
        function: (**function).clone(),
        parameters,
        step,
    };
    // It is a mistake, and the compiler knows no `step` to report as well.
    function.attrs.retain(|attribute| !may_be_step(attribute));
    Some(method)
}

fn read_step(found: &[Attribute], mistakes: &mut Mistakes) -> Option<StepArgs> {
    for repeated in found.iter().skip(1) {
        mistakes.under(
            repeated.path(),
            "this method is a step already; put all options in one `#[step(…)]`",
        );
    }
    let tokens = match &found.first()?.meta {
        Meta::Path(_) => return Some(StepArgs::default()),
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(pair) => {
            mistakes.under(
                pair,
                "options stand in parentheses: `#[step(compensate = …)]`",
            );
            return Some(StepArgs::default());
        }
    };
    let (literals, args) = args::read_named::<StepArgs>(tokens, mistakes);
    for literal in literals {
        mistakes.under(
            &literal,
            "options have names; what a step is called in the store is `id = \"…\"`",
        );
    }
    Some(args)
}

fn read_parameter(input: &mut FnArg, mistakes: &mut Mistakes) -> Option<Parameter> {
    let attrs = match input {
        FnArg::Receiver(receiver) => &mut receiver.attrs,
        FnArg::Typed(input) => &mut input.attrs,
    };
    let found = take("dep", attrs);
    let deps = found.iter().filter_map(|attribute| match &attribute.meta {
        Meta::Path(path) => Some(path.clone()),
        other => {
            mistakes.under(
                other,
                "a dependency is found by its type; write `#[dep]` alone",
            );
            None
        }
    });
    let dep = deps.collect::<Vec<_>>().into_iter().next();
    match input {
        FnArg::Receiver(_) => {
            if let Some(dep) = dep {
                mistakes.under(
                    dep,
                    "`self` is the saga; a dependency is a parameter of its own",
                );
            }
            None
        }
        FnArg::Typed(PatType { attrs, pat, ty, .. }) => Some(Parameter {
            cfg: cfg(attrs),
            pattern: (**pat).clone(),
            ty: (**ty).clone(),
            dep: dep.or_else(|| found.first().map(|attribute| attribute.path().clone())),
        }),
    }
}

/// The attributes that say whether what they stand on is there.
pub(super) fn cfg(attrs: &[Attribute]) -> Vec<Attribute> {
    let of_cfg = attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"));
    of_cfg.cloned().collect()
}

/// Whether this is a `#[step]` under a condition, `#[cfg_attr(…, step)]`.
pub(super) fn may_be_step(attribute: &Attribute) -> bool {
    let metas = || attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let is_step = |meta: &Meta| is_called("step", meta.path());
    attribute.path().is_ident("cfg_attr")
        && metas().is_ok_and(|metas| metas.iter().skip(1).any(is_step))
}

/// Takes the attributes called `name` off, whatever path they are written under.
fn take(name: &str, attrs: &mut Vec<Attribute>) -> Vec<Attribute> {
    let is_ours = |attribute: &mut Attribute| is_called(name, attribute.path());
    attrs.extract_if(.., is_ours).collect()
}

fn is_called(name: &str, path: &Path) -> bool {
    let last = path.segments.last();
    last.is_some_and(|last| last.ident == name)
}
