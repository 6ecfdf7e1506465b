//! The attributes of ours on one function, absorbed by the first of them.
//!
//! The compiler expands the topmost attribute first and hands it the function with the others still on it.
//! Left alone they would expand one after another, each inside the function that the one above made, and so
//! the lowest would end up outermost. The topmost therefore takes them all off, and wraps the body in
//! their written order.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Meta, Path, Type};

use crate::diagnose::Mistakes;
use crate::function::Function;
use crate::idempotent::Idempotent;
use crate::locked::Locked;
use crate::scope::{Roots, Scope};
use crate::wrap::{Layer, nameable, unwrapped, wrapped};

/// Which attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Locked,
    Idempotent,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Locked, Self::Idempotent];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Idempotent => "idempotent",
        }
    }

    /// The attribute of ours that `path` names: `locked`, or `coord::locked`.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let last = path.segments.last()?;
        let ours = path.segments.len() == 1 || path.segments[0].ident == "coord";
        Self::ALL
            .into_iter()
            .find(|kind| ours && last.ident == kind.name())
    }

    fn read(self, args: TokenStream, mistakes: &mut Mistakes) -> Stacked {
        match self {
            Self::Locked => Stacked::Locked(Box::new(Locked::read(args, mistakes))),
            Self::Idempotent => Stacked::Idempotent(Box::new(Idempotent::read(args, mistakes))),
        }
    }
}

/// One attribute with its arguments read.
#[derive(Debug)]
enum Stacked {
    Locked(Box<Locked>),
    Idempotent(Box<Idempotent>),
}

impl Stacked {
    fn kind(&self) -> Kind {
        match self {
            Self::Locked(_) => Kind::Locked,
            Self::Idempotent(_) => Kind::Idempotent,
        }
    }

    fn resolve(&self, scope: &Scope, mistakes: &mut Mistakes) -> Roots {
        match self {
            Self::Locked(locked) => locked.resolve(scope, mistakes),
            Self::Idempotent(idempotent) => idempotent.resolve(scope, mistakes),
        }
    }

    fn layer(&self, roots: &Roots, output: &Type) -> Layer {
        match self {
            Self::Locked(locked) => locked.layer(roots, output),
            Self::Idempotent(idempotent) => idempotent.layer(roots, output),
        }
    }

    fn placeholders(&self, scope: &Scope) -> TokenStream {
        match self {
            Self::Locked(locked) => locked.placeholders(scope),
            Self::Idempotent(idempotent) => idempotent.placeholders(scope),
        }
    }
}

/// Expands the attribute `first`, and those of ours below it.
pub(crate) fn expand(first: Kind, args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::new();
    let mut stack = vec![first.read(args, &mut mistakes)];
    let Some(mut function) = mistakes.catch(syn::parse2::<Function>(item.clone())) else {
        let errors = mistakes.finish();
        return quote!(#item #errors);
    };
    absorb(&mut function, &mut stack, &mut mistakes);
    let scope = Scope::new(function.bindings());
    let roots: Vec<_> = stack
        .iter()
        .map(|attribute| attribute.resolve(&scope, &mut mistakes))
        .collect();
    let shape = mistakes.catch(function.shape(first.name()));
    match (mistakes.finish(), shape) {
        (None, Some(shape)) => {
            let layer = |(attribute, roots): (&Stacked, &Roots)| {
                attribute.layer(roots, &nameable(shape.output()))
            };
            wrapped(
                &function,
                shape,
                &stack.iter().zip(&roots).map(layer).collect::<Vec<_>>(),
            )
        }
        (errors, _) => {
            let placeholders: TokenStream = stack
                .iter()
                .map(|attribute| attribute.placeholders(&scope))
                .collect();
            let function = unwrapped(&function, &placeholders);
            quote!(#function #errors)
        }
    }
}

/// Takes our attributes off the function and adds them to the stack.
fn absorb(function: &mut Function, stack: &mut Vec<Stacked>, mistakes: &mut Mistakes) {
    for attribute in function
        .attrs
        .extract_if(.., |attribute| Kind::of(attribute.path()).is_some())
    {
        let Some(kind) = Kind::of(attribute.path()) else {
            continue;
        };
        let sibling = kind.read(args_of(&attribute), mistakes);
        match stack.iter().find(|earlier| earlier.kind() == kind) {
            Some(earlier) => mistakes.under(attribute.path(), repeated(earlier, &sibling)),
            None => stack.push(sibling),
        }
    }
}

fn args_of(attribute: &Attribute) -> TokenStream {
    match &attribute.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(pair) => pair.value.to_token_stream(),
    }
}

/// What to say about a second attribute of one kind.
fn repeated(first: &Stacked, second: &Stacked) -> String {
    let (Stacked::Locked(first), Stacked::Locked(second)) = (first, second) else {
        let name = first.kind().name();
        return format!("this function is `#[{name}]` already; keep one of the two");
    };
    let templates = [first.written_templates(), second.written_templates()]
        .concat()
        .join(", ");
    format!(
        "this function is `#[locked]` already; put all keys in one attribute, which locks all or \
         none: `#[locked({templates})]`"
    )
}
