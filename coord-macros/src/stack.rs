//! The attributes of ours on one function, absorbed by the first of them.
//!
//! The compiler expands the topmost attribute first and hands it the function with the others still on it.
//! Left alone they would expand one after another, each inside the function that the one above made, and so
//! the lowest would end up outermost. The topmost therefore takes them all off, and wraps the body in
//! their written order.

use std::ops::Deref;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::{Attribute, Meta, Path, Type};

use crate::args::Word;
use crate::circuit_breaker::CircuitBreaker;
use crate::diagnose::Mistakes;
use crate::function::Function;
use crate::idempotent::{self, Idempotent};
use crate::locked::Locked;
use crate::paths::Paths;
use crate::registered;
use crate::retry::{self, Retry};
use crate::scope::{Found, Scope};
use crate::wrap::{Layer, nameable, unwrapped, wrapped};

/// Which attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Locked,
    Idempotent,
    Retry,
    CircuitBreaker,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::Locked,
        Self::Idempotent,
        Self::Retry,
        Self::CircuitBreaker,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Idempotent => "idempotent",
            Self::Retry => "retry",
            Self::CircuitBreaker => "circuit_breaker",
        }
    }

    /// The attribute of ours that `path` names: `locked`, or `coord::locked`. Users import and re-export ours, and
    /// rename the crate, so what stands before the last name may be anything.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let last = path.segments.last()?;
        Self::ALL.into_iter().find(|kind| last.ident == kind.name())
    }

    fn read(self, args: TokenStream, mistakes: &mut Mistakes) -> Attached {
        let options = registered::options(&args);
        let stacked = match self {
            Self::Locked => Stacked::Locked(Locked::read(args, mistakes).into()),
            Self::Idempotent => Stacked::Idempotent(Idempotent::read(args, mistakes).into()),
            Self::Retry => Stacked::Retry(Retry::read(args, mistakes).into()),
            Self::CircuitBreaker => {
                Stacked::CircuitBreaker(CircuitBreaker::read(args, mistakes).into())
            }
        };
        Attached { stacked, options }
    }
}

/// One attribute of the stack, with its options as they were written.
#[derive(Debug)]
struct Attached {
    stacked: Stacked,
    options: String,
}

impl Deref for Attached {
    type Target = Stacked;

    fn deref(&self) -> &Stacked {
        &self.stacked
    }
}

impl Attached {
    /// The item that makes the attribute of the function `name` known to the program.
    fn registration(&self, name: &Ident) -> TokenStream {
        let item = name.unraw().to_string();
        match &self.stacked {
            Stacked::Locked(locked) => locked.registration(&self.options, item),
            Stacked::Idempotent(idempotent) => idempotent.registration(&self.options, item),
            Stacked::Retry(retry) => retry.registration(&self.options, name),
            Stacked::CircuitBreaker(breaker) => breaker.registration(&self.options, name),
        }
    }
}

/// One attribute with its arguments read, which are large and of different sizes.
#[derive(Debug)]
enum Stacked {
    Locked(Box<Locked>),
    Idempotent(Box<Idempotent>),
    Retry(Box<Retry>),
    CircuitBreaker(Box<CircuitBreaker>),
}

/// What a layer is made for.
struct Site<'a> {
    /// The name of the function.
    name: &'a Ident,
    /// What it returns.
    output: &'a Type,
    /// What the layers inside of it return.
    inner_output: &'a Type,
}

impl Stacked {
    fn kind(&self) -> Kind {
        match self {
            Self::Locked(_) => Kind::Locked,
            Self::Idempotent(_) => Kind::Idempotent,
            Self::Retry(_) => Kind::Retry,
            Self::CircuitBreaker(_) => Kind::CircuitBreaker,
        }
    }

    /// Checks the arguments against the names of the function, and gives what it uses of them.
    fn resolve(&self, scope: &Scope, mistakes: &mut Mistakes) -> Found {
        match self {
            Self::Locked(locked) => locked.resolve(scope, mistakes),
            Self::Idempotent(idempotent) => idempotent.resolve(scope, mistakes),
            Self::Retry(_) | Self::CircuitBreaker(_) => Found::default(),
        }
    }

    fn layer(&self, found: &Found, site: &Site<'_>) -> Layer {
        match self {
            Self::Locked(locked) => locked.layer(found, site.inner_output),
            Self::Idempotent(idempotent) => idempotent.layer(found, site.inner_output),
            Self::Retry(retry) => retry.layer(site.name, site.output),
            Self::CircuitBreaker(breaker) => breaker.layer(site.name, site.output),
        }
    }

    fn placeholders(&self, scope: &Scope) -> TokenStream {
        match self {
            Self::Locked(locked) => locked.placeholders(scope),
            Self::Idempotent(idempotent) => idempotent.placeholders(scope),
            Self::Retry(_) | Self::CircuitBreaker(_) => TokenStream::new(),
        }
    }

    /// Where the runtime is, if this has to tell errors of ours from the body's: a policy, which looks at errors, and
    /// what remembers them, which is not to remember those of the layers inside of it.
    fn tells_errors_apart(&self, is_innermost: bool) -> Option<&Paths> {
        match self {
            Self::Locked(_) => None,
            Self::Idempotent(idempotent) => idempotent
                .remembers_errors()
                .then(|| idempotent.paths())
                .filter(|_| !is_innermost),
            Self::Retry(retry) => Some(retry.paths()),
            Self::CircuitBreaker(breaker) => Some(breaker.paths()),
        }
    }

    /// The `skip` of a lock.
    fn skip(&self) -> Option<&Word> {
        match self {
            Self::Locked(locked) => locked.skip(),
            Self::Idempotent(_) | Self::Retry(_) | Self::CircuitBreaker(_) => None,
        }
    }

    /// What to say about a second attribute of this kind.
    fn repeated(&self, second: &Self) -> String {
        match (self, second) {
            (Self::Locked(first), Self::Locked(second)) => first.repeated(second),
            (Self::Idempotent(_), _) => Idempotent::repeated(),
            (Self::Retry(_), _) => Retry::repeated(),
            _ => CircuitBreaker::repeated(),
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
    check_order(first, &function, &mut mistakes);
    let absorbed = absorb(&mut function, &mut stack, &mut mistakes);
    check_skip(&stack, &mut mistakes);
    let scope = Scope::new(function.bindings());
    let found: Vec<_> = stack
        .iter()
        .map(|attribute| attribute.resolve(&scope, &mut mistakes))
        .collect();
    if stack
        .iter()
        .any(|attribute| attribute.kind() == Kind::Retry)
    {
        retry::check_arguments(&function, &mut mistakes);
    }
    let shape = mistakes.catch(function.shape(first.name()));
    let is_stored = stack
        .iter()
        .any(|attribute| attribute.kind() == Kind::Idempotent);
    if let Some(shape) = shape.filter(|_| is_stored) {
        idempotent::check_output(shape.output(), &mut mistakes);
    }
    match (mistakes.finish(), shape) {
        (None, Some(shape)) => {
            let raising = raising(&stack);
            let output = nameable(shape.output());
            let raised = raising.map(|paths| paths.raised_output(&output));
            let site = Site {
                name: &function.signature.ident,
                output: &output,
                inner_output: raised.as_ref().unwrap_or(&output),
            };
            let mut layers: Vec<_> = stack
                .iter()
                .zip(&found)
                .map(|(attribute, found)| attribute.layer(found, &site))
                .collect();
            if let Some(outermost) = layers.first_mut() {
                let setup = &outermost.setup;
                let known = stack
                    .iter()
                    .map(|attribute| attribute.registration(site.name));
                outermost.setup = quote!(#absorbed #(#known)* #setup);
            }
            wrapped(&function, shape, &layers, raising)
        }
        (errors, _) => {
            let placeholders: TokenStream = stack
                .iter()
                .map(|attribute| attribute.placeholders(&scope))
                .collect();
            let function = unwrapped(&function, &quote!(#absorbed #placeholders));
            quote!(#function #errors)
        }
    }
}

/// Where the runtime is, if errors of ours are told from the body's between the layers of this stack.
fn raising(stack: &[Attached]) -> Option<&Paths> {
    let innermost = stack.len() - 1;
    let mut attributes = stack.iter().enumerate();
    attributes.find_map(|(index, attribute)| attribute.tells_errors_apart(index == innermost))
}

/// If one of ours has expanded on the function already, it stands above and did not know this one under its name.
/// This one would end up outermost.
fn check_order(first: Kind, function: &Function, mistakes: &mut Mistakes) {
    if function
        .body
        .clone()
        .is_some_and(|body| registered::is_in(body.stream()))
    {
        mistakes.at(
            Span::call_site(),
            format!(
                "this stands below another attribute of `coord`, which did not recognise it under this name, so \
                 their order would be turned around: write `#[coord::{}]`",
                first.name()
            ),
        );
    }
}

/// What a call that is skipped returns would be stored as what the body has returned, and replayed for as long as that is.
fn check_skip(stack: &[Attached], mistakes: &mut Mistakes) {
    let mut below = stack
        .iter()
        .skip_while(|attribute| attribute.kind() != Kind::Idempotent);
    if let Some(skip) = below.find_map(|attribute| attribute.skip()) {
        mistakes.under(
            &skip.0,
            "a call that is skipped would be stored as done, and its body never run: put `#[locked]` above \
             `#[idempotent]`, or leave `skip` out",
        );
    }
}

/// Takes our attributes off the function and adds them to the stack. The compiler does not get to see them any
/// more, so what is returned uses their names: an import of one is not unused, and a missing one is missed.
fn absorb(
    function: &mut Function,
    stack: &mut Vec<Attached>,
    mistakes: &mut Mistakes,
) -> TokenStream {
    let mut uses = TokenStream::new();
    for attribute in function
        .attrs
        .extract_if(.., |attribute| Kind::of(attribute.path()).is_some())
    {
        let path = attribute.path();
        let Some(kind) = Kind::of(path) else {
            continue;
        };
        uses.extend(quote!(#[allow(unused_imports)] use #path as _;));
        let sibling = kind.read(args_of(&attribute), mistakes);
        match stack.iter().find(|earlier| earlier.kind() == kind) {
            Some(earlier) => mistakes.under(path, earlier.repeated(&sibling)),
            None => stack.push(sibling),
        }
    }
    uses
}

fn args_of(attribute: &Attribute) -> TokenStream {
    match &attribute.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(pair) => pair.value.to_token_stream(),
    }
}
