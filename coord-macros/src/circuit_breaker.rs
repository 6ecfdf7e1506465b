//! `#[circuit_breaker]`: from its arguments to the layer around the body.
//!
//! What the arguments must fulfil beyond being readable, each rule a function below:
//!
//! 1. `breaker` is a breaker as a whole: nothing that one is made of stands beside it.
//! 2. The failure rate is a part: above zero and at most 1.
//! 3. `window` and `minimum_calls` belong to a failure rate.
//! 4. `reset` and `window` are not zero.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt as _;

use crate::args::{self, Options as _};
use crate::diagnose::{Mistakes, listed};
use crate::paths::Paths;
use crate::policy_args::{CircuitBreakerArgs, TextArg};
use crate::registered::Entry;
use crate::render::borrowed;
use crate::retry::function_or;
use crate::wrap::{Calls, Layer};

/// One `#[circuit_breaker]`.
#[derive(Debug)]
pub(crate) struct CircuitBreaker {
    args: CircuitBreakerArgs,
    paths: Paths,
}

impl CircuitBreaker {
    /// Reads the attribute's arguments and checks what can be checked without the function.
    pub(crate) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let (literals, args) = args::read_named::<CircuitBreakerArgs>(tokens, mistakes);
        for literal in literals {
            let names = listed(CircuitBreakerArgs::NAMES.iter().copied(), "", "");
            mistakes.under(literal, format!("options have names; they are {names}"));
        }
        check_breaker_stands_alone(&args, mistakes);
        check_rate(&args, mistakes);
        check_times(&args, mistakes);
        let paths = Paths::new(args.path.as_ref().map(|path| &path.0));
        Self { args, paths }
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The layer around the body of a function that is called `name` and returns `output`.
    pub(crate) fn layer(&self, name: &Ident, output: &Type) -> Layer {
        let local = Ident::new("guarded", Span::mixed_site());
        let into_result = self.paths.as_result(output);
        let is_failure = function_or(self.args.is_failure.as_ref(), || self.paths.is_failure());
        Layer {
            setup: self.setup(&local, name),
            method: quote!(#local.run),
            local,
            calls: Calls::Once,
            arguments: quote!(#into_result, #is_failure,),
            asked: TokenStream::new(),
            parameter: TokenStream::new(),
            bindings: TokenStream::new(),
        }
    }

    /// The item that makes it known to the program, on the function `function`. The name of a breaker that is made
    /// elsewhere is not known here.
    pub(crate) fn registration(&self, options: &str, function: &Ident) -> TokenStream {
        let own = self.args.breaker.is_none();
        let entry = Entry {
            kind: "CircuitBreaker",
            templates: Vec::new(),
            name: own
                .then(|| TextArg::known(self.args.name.as_ref(), function))
                .flatten(),
            options,
            item: function.unraw().to_string(),
        };
        entry.registration(&self.paths)
    }

    /// What to say about a second `#[circuit_breaker]`.
    pub(crate) fn repeated() -> String {
        "this function has a `#[circuit_breaker]` already; keep one of them, with all options: \
         `#[circuit_breaker(failures = 5, reset = \"1m\")]`"
            .to_owned()
    }

    /// `let guarded = { static __COORD_BREAKER: …; Guarded::new(&__COORD_BREAKER) };`
    fn setup(&self, local: &Ident, function: &Ident) -> TokenStream {
        let guarded = self.paths.guarded();
        let guarded = if let Some(breaker) = &self.args.breaker {
            let breaker = borrowed(&breaker.0);
            quote!(#guarded::by(#breaker))
        } else {
            let breaker = self.own_breaker(function);
            quote!(#guarded::new(#breaker))
        };
        quote_spanned! {Span::mixed_site()=>
            #[allow(clippy::used_underscore_binding)]
            let #local = #guarded;
        }
    }

    /// The breaker of the function, made at its first call.
    fn own_breaker(&self, function: &Ident) -> TokenStream {
        let CircuitBreakerArgs {
            failures,
            failure_rate,
            window,
            minimum_calls,
            reset,
            probes,
            successes,
            ..
        } = &self.args;
        let ty = self.paths.circuit_breaker();
        let name = TextArg::or_path_of(self.args.name.as_ref(), function);
        let [failures, minimum_calls, probes, successes] =
            [failures, minimum_calls, probes, successes]
                .map(|option| option.iter().map(|count| &count.0));
        let failure_rate = failure_rate.iter().map(|rate| &rate.value);
        let [window, reset] = [window, reset].map(|option| option.iter().map(|time| &time.value));
        // Items are seen by the user's expressions, so its name is one that no constant of theirs has.
        quote_spanned! {Span::mixed_site()=> {
            static __COORD_BREAKER: ::std::sync::LazyLock<#ty> = ::std::sync::LazyLock::new(|| {
                #ty::builder().name(#name)
                    #(.failure_threshold(#failures))* #(.failure_rate(#failure_rate))* #(.window(#window))*
                    #(.minimum_calls(#minimum_calls))* #(.reset_timeout(#reset))*
                    #(.half_open_probes(#probes))* #(.success_threshold(#successes))* .build()
            });
            &*__COORD_BREAKER
        }}
    }
}

fn check_breaker_stands_alone(args: &CircuitBreakerArgs, mistakes: &mut Mistakes) {
    if args.breaker.is_none() {
        return;
    }
    let parts = [
        args.failures.as_ref().map(|part| part.0.to_token_stream()),
        args.failure_rate
            .as_ref()
            .map(|part| part.written.to_token_stream()),
        args.window
            .as_ref()
            .map(|part| part.written.to_token_stream()),
        args.minimum_calls
            .as_ref()
            .map(|part| part.0.to_token_stream()),
        args.reset
            .as_ref()
            .map(|part| part.written.to_token_stream()),
        args.probes.as_ref().map(|part| part.0.to_token_stream()),
        args.successes.as_ref().map(|part| part.0.to_token_stream()),
        args.name.as_ref().map(|part| part.0.clone()),
    ];
    for part in parts.into_iter().flatten() {
        mistakes.under(
            part,
            "`breaker` says this already; set it where the breaker is built, or leave `breaker` out",
        );
    }
}

fn check_rate(args: &CircuitBreakerArgs, mistakes: &mut Mistakes) {
    if let Some(rate) = &args.failure_rate {
        if rate.known.is_some_and(|known| known <= 0.0 || known > 1.0) {
            mistakes.under(
                &rate.written,
                "a failure rate is a part of the calls, above 0 and at most 1: `0.5` is half of them",
            );
        }
        return;
    }
    let belongs = |name| {
        format!("`{name}` is about a failure rate: add `failure_rate = 0.5`, or leave it out")
    };
    if args.breaker.is_some() {
        return;
    }
    if let Some(window) = &args.window {
        mistakes.under(&window.written, belongs("window"));
    }
    if let Some(calls) = &args.minimum_calls {
        mistakes.under(&calls.0, belongs("minimum_calls"));
    }
}

fn check_times(args: &CircuitBreakerArgs, mistakes: &mut Mistakes) {
    let zero = Some(Duration::ZERO);
    if let Some(reset) = args.reset.as_ref().filter(|reset| reset.known == zero) {
        mistakes.under(
            &reset.written,
            "a breaker that is open for no time refuses nothing; `reset` is how long calls are refused",
        );
    }
    if let Some(window) = args.window.as_ref().filter(|window| window.known == zero) {
        mistakes.under(
            &window.written,
            "a window of no time holds no calls; `window` is how far back the failure rate looks",
        );
    }
}
