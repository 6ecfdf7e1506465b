//! `#[locked]`: from its arguments to the layer around the body.
//!
//! What the arguments must fulfil beyond being readable, each rule a function below:
//!
//! 1. Every segment names an argument.
//! 2. No two templates are the same.
//! 3. `ttl` and `at_least` are not zero, and `at_least` can be kept.
//! 4. `shared`, `exclusive` and `permits` exclude each other, and `permits` is for one key.
//! 5. `skip` does not wait.
//! 6. `lease` gives a name that is not taken.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Type;

use crate::args::{self, DurationArg, ExprArg, Word};
use crate::diagnose::Mistakes;
use crate::locked_args::LockedArgs;
use crate::paths::Paths;
use crate::registered::Entry;
use crate::render::{borrowed, render};
use crate::scope::{Found, Scope};
use crate::template::Template;
use crate::wrap::{Calls, Layer};

/// One `#[locked]`.
#[derive(Debug)]
pub(crate) struct Locked {
    templates: Vec<Template>,
    args: LockedArgs,
    paths: Paths,
}

impl Locked {
    /// Reads the attribute's arguments and checks what can be checked without the function.
    pub(crate) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let (literals, args) = args::read::<LockedArgs>(tokens, mistakes);
        let templates: Vec<_> = literals
            .iter()
            .map(|literal| Template::parse(literal, mistakes))
            .collect();
        check_repeated_templates(&templates, mistakes);
        check_durations(&args, mistakes);
        check_at_least_can_be_kept(&args, mistakes);
        check_mode(&args, templates.len(), mistakes);
        check_skip(&args, mistakes);
        let paths = Paths::new(args.path.as_ref().map(|path| &path.0));
        Self {
            templates,
            args,
            paths,
        }
    }

    /// Checks the arguments against the names of the function, and gives what it uses of them.
    pub(crate) fn resolve(&self, scope: &Scope, mistakes: &mut Mistakes) -> Found {
        check_lease_name(&self.args, scope, mistakes);
        let templates = self.templates.iter();
        Found {
            roots: templates
                .map(|template| scope.roots(template, mistakes))
                .collect(),
            ..Found::default()
        }
    }

    /// The layer around the body of a function that returns `output`.
    pub(crate) fn layer(&self, found: &Found, output: &Type) -> Layer {
        Layer {
            setup: self.setup(found),
            local: local(),
            calls: Calls::Once,
            method: self.method(),
            arguments: self.arguments(output),
            asked: TokenStream::new(),
            parameter: self.parameter(),
            bindings: self.bindings(),
        }
    }

    /// The item that makes it known to the program, on the function `item`.
    pub(crate) fn registration(&self, options: &str, item: String) -> TokenStream {
        let templates = self.templates.iter().map(|template| {
            let text = template.text();
            quote!(#text)
        });
        let entry = Entry {
            kind: "Locked",
            templates: templates.collect(),
            name: None,
            options,
            item,
        };
        entry.registration(&self.paths)
    }

    /// The names that the body counts on, bound to nothing, for a body that is not wrapped.
    pub(crate) fn placeholders(&self, scope: &Scope) -> TokenStream {
        let ty = self.paths.lease();
        let name = self.lease_name().filter(|name| !scope.has(name));
        name.map(|name| quote!(let #name: &#ty = ::core::unreachable!();))
            .unwrap_or_default()
    }

    /// That a call returns without its body if another has the lock.
    pub(crate) fn skip(&self) -> Option<&Word> {
        self.args.skip.as_ref()
    }

    /// What to say about a second `#[locked]`.
    pub(crate) fn repeated(&self, second: &Self) -> String {
        let templates = [self.written_templates(), second.written_templates()]
            .concat()
            .join(", ");
        format!(
            "this function is `#[locked]` already; put all keys in one attribute, which locks all or \
             none: `#[locked({templates})]`"
        )
    }

    /// The templates, as an attribute lists them.
    fn written_templates(&self) -> Vec<String> {
        self.templates
            .iter()
            .map(|template| template.literal().to_token_stream().to_string())
            .collect()
    }

    /// `let locked = { … Locked::new([…]).ttl(…) };`
    fn setup(&self, found: &Found) -> TokenStream {
        let (local, locked) = (local(), self.paths.locked());
        let keys = self
            .templates
            .iter()
            .zip(&found.roots)
            .map(|(template, roots)| render(template, roots, &self.paths));
        let (coordinator, options) = (self.coordinator(), self.options());
        // The names of arguments are the user's, and may say that they are not used.
        quote! {
            #[allow(clippy::used_underscore_binding)]
            let #local = { #coordinator #locked::new([#(#keys),*]) #options };
        }
    }

    /// `let coordinator = &…;`, apart from the call, which would force its own idea of the type on it.
    fn coordinator(&self) -> Option<TokenStream> {
        let coord = self.args.coord.as_ref()?;
        let (local, reference) = (ExprArg::local(Span::call_site()), borrowed(&coord.0));
        Some(quote!(let #local = #reference;))
    }

    /// The builder calls, one for each option given.
    fn options(&self) -> TokenStream {
        let LockedArgs {
            coord,
            ttl,
            wait,
            at_least,
            renew,
            shared,
            permits,
            ..
        } = &self.args;
        let coord = coord.iter().map(|coord| ExprArg::local(coord.span()));
        let [ttl, wait, at_least] =
            [ttl, wait, at_least].map(|option| option.iter().map(|option| &option.value));
        let renew = renew.iter().map(|renew| &renew.0);
        let shared = shared.iter().map(|_| quote!(.shared()));
        let permits = permits.iter().map(|permits| &permits.0);
        quote! {
            #(.with(#coord))* #(.ttl(#ttl))* #(.wait(#wait))* #(.at_least(#at_least))* #(.renew(#renew))*
            #(#shared)* #(.permits(#permits))*
        }
    }

    /// `locked.run`
    fn method(&self) -> TokenStream {
        let local = local();
        if self.args.skip.is_some() {
            quote!(#local.run_or_skip)
        } else {
            quote!(#local.run)
        }
    }

    /// `from_error,`, and `skipped,` if need be.
    fn arguments(&self, output: &Type) -> TokenStream {
        let from_error = self.paths.error_conversion(output);
        let skipped = self
            .args
            .skip
            .iter()
            .map(|_| self.paths.skipped_value(output));
        quote!(#from_error, #(#skipped,)*)
    }

    fn parameter(&self) -> TokenStream {
        let lease = self.paths.lease();
        let name = self
            .lease_name()
            .map_or_else(|| quote!(_), |_| guard().into_token_stream());
        quote!(#name: ::std::sync::Arc<#lease>)
    }

    fn bindings(&self) -> TokenStream {
        let (lease, guard) = (self.paths.lease(), guard());
        let binding = |name| {
            quote! {
                #[allow(clippy::no_effect_underscore_binding)]
                let #name: &#lease = &#guard;
            }
        };
        self.lease_name().map(binding).unwrap_or_default()
    }

    fn lease_name(&self) -> Option<&Ident> {
        self.args.lease.as_ref().map(|lease| &lease.0)
    }
}

/// The local that holds the call.
fn local() -> Ident {
    Ident::new("locked", Span::mixed_site())
}

/// The parameter that keeps the lease for the body.
fn guard() -> Ident {
    Ident::new("guard", Span::mixed_site())
}

fn check_repeated_templates(templates: &[Template], mistakes: &mut Mistakes) {
    for (index, template) in templates.iter().enumerate() {
        if templates[..index]
            .iter()
            .any(|earlier| earlier.text() == template.text())
        {
            mistakes.under(
                template.literal(),
                "this template stands here twice; one is enough",
            );
        }
    }
}

fn check_durations(args: &LockedArgs, mistakes: &mut Mistakes) {
    let is_zero = |option: &&DurationArg| option.known == Some(Duration::ZERO);
    if let Some(ttl) = args.ttl.as_ref().filter(is_zero) {
        mistakes.under(
            &ttl.written,
            "a lease of no time is lost at once; `ttl` is how long a dead holder's lease is kept",
        );
    }
    if let Some(at_least) = args.at_least.as_ref().filter(is_zero) {
        mistakes.under(
            &at_least.written,
            "`at_least` of no time changes nothing; leave it out",
        );
    }
}

/// Without renewal the lease ends with its ttl, whatever else is asked for.
fn check_at_least_can_be_kept(args: &LockedArgs, mistakes: &mut Mistakes) {
    let LockedArgs {
        ttl: Some(ttl),
        at_least: Some(at_least),
        renew: Some(renew),
        ..
    } = args
    else {
        return;
    };
    if renew.is_false()
        && at_least
            .known
            .zip(ttl.known)
            .is_some_and(|(at_least, ttl)| at_least > ttl)
    {
        mistakes.under(
            &at_least.written,
            "with `renew = false` the lease ends after `ttl`, which is before `at_least`; make `ttl` \
             the longer one",
        );
    }
}

fn check_mode(args: &LockedArgs, keys: usize, mistakes: &mut Mistakes) {
    let LockedArgs {
        shared,
        exclusive,
        permits,
        ..
    } = args;
    if let (Some(shared), Some(_)) = (shared, exclusive) {
        mistakes.under(
            &shared.0,
            "`shared` and `exclusive` contradict each other; keep one of them",
        );
    }
    let Some(permits) = permits else { return };
    for word in shared.iter().chain(exclusive) {
        let name = word.0.to_token_stream();
        let message = format!(
            "`{name}` and `permits` contradict each other: `permits` alone says how many may run at once"
        );
        mistakes.under(&word.0, message);
    }
    if keys > 1 {
        mistakes.under(
            &permits.0,
            "`permits` counts the callers of one key; lock several keys without it",
        );
    }
}

fn check_skip(args: &LockedArgs, mistakes: &mut Mistakes) {
    if let (Some(skip), Some(_)) = (&args.skip, &args.wait) {
        mistakes.under(
            &skip.0,
            "`skip` does not wait, so `wait` contradicts it; keep one of them",
        );
    }
}

fn check_lease_name(args: &LockedArgs, scope: &Scope, mistakes: &mut Mistakes) {
    if let Some(name) = args
        .lease
        .as_ref()
        .map(|lease| &lease.0)
        .filter(|name| scope.has(name))
    {
        mistakes.under(
            name,
            format!("`{name}` is an argument already; choose another name for the lease"),
        );
    }
}
