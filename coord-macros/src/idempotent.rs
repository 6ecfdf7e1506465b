//! `#[idempotent]`: from its arguments to the layer around the body.
//!
//! What the arguments must fulfil beyond being readable, each rule a function below:
//!
//! 1. There is one template, and every segment of it names an argument.
//! 2. `ttl` and `lease` are not zero, and `lease` is not the longer one.
//! 3. `wait` is for those who wait.
//! 4. `fingerprint` names arguments, each once, and there is one to take.
//! 5. `context` gives a name that is not taken.
//! 6. What is replayed is owned.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Type;
use syn::ext::IdentExt as _;

use crate::args::{self, DurationArg, ExprArg};
use crate::diagnose::Mistakes;
use crate::function::{Binding, type_arguments, ungrouped};
use crate::idempotent_args::{FingerprintArg, IdempotentArgs, InProgressArg};
use crate::paths::Paths;
use crate::registered::Entry;
use crate::render::{borrowed, render};
use crate::scope::{Found, Scope};
use crate::template::Template;
use crate::wrap::{Calls, Layer};

/// One `#[idempotent]`.
#[derive(Debug)]
pub(crate) struct Idempotent {
    templates: Vec<Template>,
    args: IdempotentArgs,
    paths: Paths,
}

impl Idempotent {
    /// Reads the attribute's arguments and checks what can be checked without the function.
    pub(crate) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let (literals, args) = args::read::<IdempotentArgs>(tokens, mistakes);
        let templates: Vec<_> = literals
            .iter()
            .map(|literal| Template::parse(literal, mistakes))
            .collect();
        check_one_template(&templates, mistakes);
        check_durations(&args, mistakes);
        check_wait(&args, mistakes);
        let paths = Paths::new(args.path.as_ref().map(|path| &path.0));
        Self {
            templates,
            args,
            paths,
        }
    }

    /// Checks the arguments against the names of the function, and gives what it uses of them.
    pub(crate) fn resolve(&self, scope: &Scope, mistakes: &mut Mistakes) -> Found {
        check_context_name(&self.args, scope, mistakes);
        let templates = self.templates.iter();
        Found {
            roots: templates
                .map(|template| scope.roots(template, mistakes))
                .collect(),
            fingerprint: self.fingerprinted(scope, mistakes),
        }
    }

    /// The layer around the body of a function that returns `output`.
    pub(crate) fn layer(&self, found: &Found, output: &Type) -> Layer {
        let local = local();
        Layer {
            setup: self.setup(found),
            method: quote!(#local.run),
            local,
            calls: Calls::Once,
            arguments: self.arguments(output),
            asked: TokenStream::new(),
            parameter: self.parameter(),
            bindings: self.bindings(),
        }
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Whether an error that the body returns is stored and replayed.
    pub(crate) fn remembers_errors(&self) -> bool {
        self.args.remember_errors.is_some()
    }

    /// What to say about a second `#[idempotent]`.
    pub(crate) fn repeated() -> String {
        "this function is `#[idempotent]` already; keep one of the two".to_owned()
    }

    /// The item that makes it known to the program, on the function `item`.
    pub(crate) fn registration(&self, options: &str, item: String) -> TokenStream {
        let templates = self.templates.iter().map(|template| {
            let text = template.text();
            quote!(#text)
        });
        let entry = Entry {
            kind: "Idempotent",
            templates: templates.collect(),
            name: None,
            options,
            item,
        };
        entry.registration(&self.paths)
    }

    /// The names that the body counts on, bound to nothing, for a body that is not wrapped.
    pub(crate) fn placeholders(&self, scope: &Scope) -> TokenStream {
        let ty = self.paths.idempotency_context();
        let name = self.context_name().filter(|name| !scope.has(name));
        name.map(|name| quote!(let #name: &#ty = ::core::unreachable!();))
            .unwrap_or_default()
    }

    /// `let idempotent = { … Idempotent::new(…).ttl(…) };`
    fn setup(&self, found: &Found) -> TokenStream {
        let (local, idempotent) = (local(), self.paths.idempotent());
        let key: TokenStream = self
            .templates
            .iter()
            .zip(&found.roots)
            .map(|(template, roots)| render(template, roots, &self.paths))
            .collect();
        let fingerprint = found.fingerprint.iter().map(fingerprinted);
        let (coordinator, options) = (self.coordinator(), self.options());
        // The names of arguments are the user's, and may say that they are not used.
        quote! {
            #[allow(clippy::used_underscore_binding)]
            let #local = { #coordinator #idempotent::new(#key) #options };
            #(#fingerprint)*
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
        let IdempotentArgs {
            coord,
            ttl,
            lease,
            wait,
            in_progress,
            ..
        } = &self.args;
        let coord = coord.iter().map(|coord| ExprArg::local(coord.span()));
        let [ttl, lease, wait] =
            [ttl, lease, wait].map(|option| option.iter().map(|option| &option.value));
        let reject = in_progress
            .iter()
            .filter(|in_progress| in_progress.rejects)
            .map(|_| quote!(.reject()));
        quote!(#(.with(#coord))* #(.ttl(#ttl))* #(.lease(#lease))* #(.wait(#wait))* #(#reject)*)
    }

    /// `from_error, codec,`
    fn arguments(&self, output: &Type) -> TokenStream {
        let from_error = self.paths.error_conversion(output);
        let codec = self.paths.codec(output, self.remembers_errors());
        quote!(#from_error, #codec,)
    }

    fn parameter(&self) -> TokenStream {
        let context = self.paths.idempotency_context();
        let name = self
            .context_name()
            .map_or_else(|| quote!(_), |_| guard().into_token_stream());
        quote!(#name: #context)
    }

    fn bindings(&self) -> TokenStream {
        let (context, guard) = (self.paths.idempotency_context(), guard());
        let binding = |name| {
            quote! {
                #[allow(clippy::no_effect_underscore_binding)]
                let #name: &#context = &#guard;
            }
        };
        self.context_name().map(binding).unwrap_or_default()
    }

    fn context_name(&self) -> Option<&Ident> {
        self.args.context.as_ref().map(|context| &context.0)
    }

    /// The arguments that the fingerprint takes.
    fn fingerprinted(&self, scope: &Scope, mistakes: &mut Mistakes) -> Vec<Binding> {
        match &self.args.fingerprint {
            None => Vec::new(),
            Some(FingerprintArg::Of(names)) => named(names, scope, mistakes),
            Some(FingerprintArg::AllBut(word)) => {
                let all = self.not_in_the_key(scope);
                if all.is_empty() {
                    mistakes.under(
                        word,
                        "every argument is in the key already, so there is nothing to compare; leave \
                         `fingerprint` out",
                    );
                }
                all
            }
        }
    }

    /// The arguments that are not, as a whole, a segment of the key.
    fn not_in_the_key(&self, scope: &Scope) -> Vec<Binding> {
        let in_the_key = |name: &Ident| {
            let name = name.unraw().to_string();
            let mut segments = self.templates.iter().flat_map(Template::segments);
            segments.any(|segment| segment.is_all_of(&name))
        };
        scope
            .arguments()
            .filter(|argument| !in_the_key(&argument.name))
            .cloned()
            .collect()
    }
}

/// `let idempotent = idempotent.fingerprint("amount", &amount);`; an argument that cannot be part of one is reported at
/// its place.
fn fingerprinted(argument: &Binding) -> TokenStream {
    let (local, name, cfg) = (local(), &argument.name, &argument.cfg);
    let text = name.unraw().to_string();
    let value = quote::quote_spanned!(name.span()=> &#name);
    quote! {
        #(#cfg)*
        #[allow(clippy::used_underscore_binding)]
        let #local = #local.fingerprint(#text, #value);
    }
}

fn named(names: &[Ident], scope: &Scope, mistakes: &mut Mistakes) -> Vec<Binding> {
    let mut found: Vec<Binding> = Vec::new();
    for name in names {
        match scope.find(name) {
            Ok(arguments) if found.iter().any(|known| known.name == arguments[0].name) => mistakes
                .under(
                    name,
                    format!("`{name}` stands in the fingerprint twice; one is enough"),
                ),
            Ok(arguments) => found.extend(arguments.into_iter().cloned()),
            Err(problem) => mistakes.under(name, problem),
        }
    }
    found
}

/// The local that holds the call.
fn local() -> Ident {
    Ident::new("idempotent", Span::mixed_site())
}

/// The parameter that keeps the context for the body.
fn guard() -> Ident {
    Ident::new("guard", Span::mixed_site())
}

fn check_one_template(templates: &[Template], mistakes: &mut Mistakes) {
    for template in templates.iter().skip(1) {
        mistakes.under(
            template.literal(),
            "an idempotent call has one key; put all of it into one template, as in \
             `\"payment:<order>:<customer>\"`",
        );
    }
}

fn check_durations(args: &IdempotentArgs, mistakes: &mut Mistakes) {
    let is_zero = |option: &&DurationArg| option.known == Some(Duration::ZERO);
    if let Some(ttl) = args.ttl.as_ref().filter(is_zero) {
        mistakes.under(
            &ttl.written,
            "a result that is kept for no time is never replayed; `ttl` is how long it is kept",
        );
    }
    if let Some(lease) = args.lease.as_ref().filter(is_zero) {
        mistakes.under(
            &lease.written,
            "a lease of no time is lost at once; `lease` is the time after which a dead process is \
             followed by another",
        );
    }
    let known = |option: &Option<DurationArg>| option.as_ref().and_then(|option| option.known);
    if let (Some(lease), Some(ttl)) = (known(&args.lease), known(&args.ttl))
        && lease > ttl
        && !ttl.is_zero()
    {
        mistakes.under(
            args.lease.as_ref().map(|lease| &lease.written),
            "`lease`, for which a running call counts as alive, is longer than `ttl`, for which its \
             result is kept; make `ttl` the longer one",
        );
    }
}

fn check_wait(args: &IdempotentArgs, mistakes: &mut Mistakes) {
    if let (Some(InProgressArg { written, rejects }), Some(_)) = (&args.in_progress, &args.wait)
        && *rejects
    {
        mistakes.under(
            written,
            "`in_progress = \"reject\"` does not wait, so `wait` contradicts it; keep one of them",
        );
    }
}

/// A success that is a reference would be reported by the compiler in terms of lifetimes.
pub(crate) fn check_output(output: &Type, mistakes: &mut Mistakes) {
    let last = match ungrouped(output) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    let success = last.and_then(|last| type_arguments(&last.arguments).next());
    if let Some(success @ Type::Reference(_)) = success.map(ungrouped) {
        mistakes.under(
            success,
            "what is stored is read again for each replay, so it cannot borrow: own it, with `String` for `&str` and \
             `Vec<T>` for `&[T]`",
        );
    }
}

fn check_context_name(args: &IdempotentArgs, scope: &Scope, mistakes: &mut Mistakes) {
    if let Some(name) = args
        .context
        .as_ref()
        .map(|context| &context.0)
        .filter(|name| scope.has(name))
    {
        mistakes.under(
            name,
            format!("`{name}` is an argument already; choose another name for the context"),
        );
    }
}
