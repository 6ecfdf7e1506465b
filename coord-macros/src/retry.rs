//! `#[retry]`: from its arguments to the layer around the body.
//!
//! What the arguments must fulfil beyond being readable, each rule a function below:
//!
//! 1. At most one preset stands in front, and it exists.
//! 2. `policy` is a policy as a whole: no preset, and nothing that a policy is made of, stands beside it.
//! 3. The multiplier is at least 1, and no delay starts above the longest, which may be the preset's.
//! 4. `deadline` and `attempt_timeout` are not zero, and one attempt has room within the deadline.
//! 5. What the function takes can be given to its body several times.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::{Expr, FnArg, Lit, Receiver, ReceiverKind, Type};

use crate::args::{self, DurationArg};
use crate::diagnose::{Mistakes, listed, nearest};
use crate::function::Function;
use crate::paths::Paths;
use crate::policy_args::{FunctionArg, JitterArg, RetryArgs, TextArg};
use crate::registered::Entry;
use crate::render::borrowed;
use crate::wrap::{Calls, Layer};

/// A policy that has a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preset {
    /// The name, which is that of its constructor, if it is not what `Default` gives.
    name: &'static str,
    /// The longest of its delays, in seconds, as `RetryPolicy` has it: `longest_delays` among the UI tests compares them.
    longest: u64,
}

impl Preset {
    const ALL: [Self; 3] = [
        Self {
            name: "fast",
            longest: 1,
        },
        Self::DEFAULT,
        Self {
            name: "conservative",
            longest: 30,
        },
    ];

    const DEFAULT: Self = Self {
        name: "default",
        longest: 10,
    };

    /// The preset of this name, or what to say if there is none.
    pub(crate) fn called(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|preset| preset.name == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(|preset| preset.name);
            let question = nearest(text, names)
                .map(|near| format!("; did you mean `\"{near}\"`?"))
                .unwrap_or_default();
            format!(
                "there is no preset `{text}`{question}\navailable: {}",
                listed(names, "\"", "\"")
            )
        })
    }

    /// The policy of this name.
    fn policy(self, paths: &Paths) -> TokenStream {
        let policy = paths.retry_policy();
        if self.name == Self::DEFAULT.name {
            // A trait's function, and not even the prelude is sure to be there.
            return quote!(<#policy as ::core::default::Default>::default());
        }
        let constructor = Ident::new(self.name, Span::mixed_site());
        quote!(#policy::#constructor())
    }
}

/// One `#[retry]`.
#[derive(Debug)]
pub(crate) struct Retry {
    /// The policy that it starts from.
    preset: Preset,
    args: RetryArgs,
    paths: Paths,
}

impl Retry {
    /// Reads the attribute's arguments and checks what can be checked without the function.
    pub(crate) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let (literals, args) = args::read_named::<RetryArgs>(tokens, mistakes);
        let preset = check_preset(&literals, mistakes);
        check_policy_stands_alone(&literals, &args, mistakes);
        if args.policy.is_none() {
            check_delays(preset, &args, mistakes);
        }
        check_times(&args, mistakes);
        let paths = Paths::new(args.path.as_ref().map(|path| &path.0));
        Self {
            preset,
            args,
            paths,
        }
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The layer around the body of a function that is called `name` and returns `output`.
    pub(crate) fn layer(&self, name: &Ident, output: &Type) -> Layer {
        let local = Ident::new("retried", Span::mixed_site());
        let into_result = self.paths.as_result(output);
        let condition = function_or(self.args.condition.as_ref(), || self.paths.always());
        let asked = function_or(self.args.retry_after.as_ref(), || self.paths.never());
        Layer {
            setup: self.setup(&local, name),
            method: quote!(#local.run),
            local,
            calls: Calls::Again,
            asked: quote!(#condition, #asked,),
            arguments: quote!(#into_result, #condition, #asked,),
            parameter: TokenStream::new(),
            bindings: TokenStream::new(),
        }
    }

    /// The item that makes it known to the program, on the function `function`.
    pub(crate) fn registration(&self, options: &str, function: &Ident) -> TokenStream {
        let entry = Entry {
            kind: "Retry",
            templates: Vec::new(),
            name: TextArg::known(self.args.name.as_ref(), function),
            options,
            item: function.unraw().to_string(),
        };
        entry.registration(&self.paths)
    }

    /// What to say about a second `#[retry]`.
    pub(crate) fn repeated() -> String {
        "this function is `#[retry]` already, and retries of retries multiply; put all options in one \
         attribute: `#[retry(\"fast\", max_retries = 3)]`"
            .to_owned()
    }

    /// `let retried = { static __COORD_SITE: …; Retried::new(&__COORD_SITE, policy).deadline(…) };`
    fn setup(&self, local: &Ident, function: &Ident) -> TokenStream {
        let (site, retried) = (self.paths.retry_site(), self.paths.retried());
        let name = TextArg::or_path_of(self.args.name.as_ref(), function);
        let (policy, options) = (self.policy(), self.options());
        // Items are seen by the user's expressions, so its name is one that no constant of theirs has.
        quote_spanned! {Span::mixed_site()=>
            #[allow(clippy::used_underscore_binding)]
            let #local = {
                static __COORD_SITE: #site = #site::new(#name);
                #retried::new(&__COORD_SITE, #policy) #options
            };
        }
    }

    /// The policy as an expression.
    fn policy(&self) -> TokenStream {
        if let Some(policy) = &self.args.policy {
            return borrowed(&policy.0);
        }
        policy(self.preset, &self.args, &self.paths)
    }

    /// The calls for what is not part of the policy.
    fn options(&self) -> TokenStream {
        let RetryArgs {
            deadline,
            attempt_timeout,
            budget,
            breaker,
            ..
        } = &self.args;
        let [deadline, attempt_timeout] =
            [deadline, attempt_timeout].map(|option| option.iter().map(|time| &time.value));
        let budget = budget.iter().map(|budget| borrowed(&budget.0));
        let breaker = breaker.iter().map(|breaker| borrowed(&breaker.0));
        quote! {
            #(.deadline(#deadline))* #(.attempt_timeout(#attempt_timeout))* #(.budget(#budget))*
            #(.breaker(#breaker))*
        }
    }
}

/// The policy that `preset` and what changes it make, borrowed.
pub(crate) fn policy(preset: Preset, args: &RetryArgs, paths: &Paths) -> TokenStream {
    let RetryArgs {
        max_retries,
        initial_delay,
        max_delay,
        multiplier,
        jitter,
        ..
    } = args;
    let preset = preset.policy(paths);
    let max_retries = max_retries.iter().map(|retries| &retries.0);
    let [initial_delay, max_delay] =
        [initial_delay, max_delay].map(|option| option.iter().map(|delay| &delay.value));
    let multiplier = multiplier.iter().map(|multiplier| &multiplier.value);
    let jitter = jitter.iter().map(|jitter| drawn(jitter, paths));
    quote! {
        &#preset.to_builder()
            #(.max_retries(#max_retries))* #(.initial_delay(#initial_delay))* #(.max_delay(#max_delay))*
            #(.multiplier(#multiplier))* #(.jitter(#jitter))* .build()
    }
}

fn drawn(jitter: &JitterArg, paths: &Paths) -> TokenStream {
    let path = paths.jitter();
    match jitter {
        JitterArg::Named(variant) => {
            let variant = Ident::new(variant, Span::mixed_site());
            quote!(#path::#variant)
        }
        JitterArg::Proportional(part) => quote!(#path::Proportional(#part)),
        JitterArg::Expression(expression) => expression.to_token_stream(),
    }
}

/// What the user named, or what does instead.
pub(crate) fn function_or(
    given: Option<&FunctionArg>,
    default: impl FnOnce() -> TokenStream,
) -> TokenStream {
    given.map_or_else(default, |given| given.0.to_token_stream())
}

pub(crate) fn check_preset(literals: &[Lit], mistakes: &mut Mistakes) -> Preset {
    if let Some(second) = literals.get(1) {
        mistakes.under(
            second,
            "one preset stands in front, and options have names: `retry(\"fast\", max_retries = 3)`",
        );
    }
    let Some(literal) = literals.first() else {
        return Preset::DEFAULT;
    };
    let Lit::Str(text) = literal else {
        mistakes.under(
            literal,
            "a number has a name, as in `max_retries = 3`; alone in front stands a preset, as in \
             `retry(\"fast\")`",
        );
        return Preset::DEFAULT;
    };
    Preset::called(&text.value()).unwrap_or_else(|problem| {
        mistakes.under(literal, problem);
        Preset::DEFAULT
    })
}

fn check_policy_stands_alone(literals: &[Lit], args: &RetryArgs, mistakes: &mut Mistakes) {
    if args.policy.is_none() {
        return;
    }
    let parts = [
        literals.first().map(ToTokens::to_token_stream),
        args.max_retries
            .as_ref()
            .map(|part| part.0.to_token_stream()),
        args.initial_delay
            .as_ref()
            .map(|part| part.written.to_token_stream()),
        args.max_delay
            .as_ref()
            .map(|part| part.written.to_token_stream()),
        args.multiplier
            .as_ref()
            .map(|part| part.written.to_token_stream()),
    ];
    for part in parts.into_iter().flatten() {
        mistakes.under(
            part,
            "`policy` says this already; set it where the policy is built, or leave `policy` out",
        );
    }
    if args.jitter.is_some()
        && let Some(policy) = &args.policy
    {
        mistakes.under(
            &policy.0,
            "`policy` says how to spread delays, so `jitter` contradicts it; keep one of them",
        );
    }
}

pub(crate) fn check_delays(preset: Preset, args: &RetryArgs, mistakes: &mut Mistakes) {
    if let Some(multiplier) = &args.multiplier {
        let problem = match multiplier.known {
            Some(known) if known < 1.0 => {
                Some("delays do not shrink: the multiplier is at least 1")
            }
            Some(known) if !known.is_finite() => {
                Some("no `f64` is as large as this: write a smaller multiplier")
            }
            _ => None,
        };
        if let Some(problem) = problem {
            mistakes.under(&multiplier.written, problem);
        }
    }
    let Some((initial, delay)) = known(args.initial_delay.as_ref()) else {
        return;
    };
    if let Some((_, longest)) = known(args.max_delay.as_ref())
        && delay > longest
    {
        mistakes.under(
            initial,
            "the first delay is longer than `max_delay`, the longest; exchange them",
        );
    }
    if args.max_delay.is_none() && delay > Duration::from_secs(preset.longest) {
        let Preset { name, longest } = preset;
        mistakes.under(
            initial,
            format!("the longest delay of `\"{name}\"` is {longest} s: give `max_delay` too"),
        );
    }
}

/// What was written, and what it is, where that is known at compile time.
fn known(option: Option<&DurationArg>) -> Option<(&Expr, Duration)> {
    let option = option?;
    Some((&option.written, option.known?))
}

fn check_times(args: &RetryArgs, mistakes: &mut Mistakes) {
    for (name, time) in [
        ("deadline", &args.deadline),
        ("attempt_timeout", &args.attempt_timeout),
    ] {
        if let Some(time) = time
            && time.known == Some(Duration::ZERO)
        {
            mistakes.under(
                &time.written,
                format!(
                    "with no time at all no attempt can succeed; leave `{name}` out for no limit"
                ),
            );
        }
    }
    if let (Some(deadline), Some(timeout)) = (&args.deadline, &args.attempt_timeout)
        && deadline
            .known
            .zip(timeout.known)
            .is_some_and(|(deadline, timeout)| timeout > deadline)
    {
        mistakes.under(
            &timeout.written,
            "one attempt may not take longer than `deadline`, which is for all of them together",
        );
    }
}

/// The body is run several times, and a value can be given away once.
pub(crate) fn check_arguments(function: &Function, mistakes: &mut Mistakes) {
    for argument in &function.signature.inputs {
        match argument {
            FnArg::Receiver(receiver) if is_mutable(receiver) => mistakes.under(
                receiver,
                "a retry runs the body several times, and `&mut self` can be lent to one of them: take \
                 `&self`, with a `Mutex` or an atomic for what changes, or put the call that is to be retried \
                 into a method of its own",
            ),
            FnArg::Typed(argument) if is_mutable_reference(&argument.ty) => mistakes.under(
                &argument.ty,
                "a retry runs the body several times, and a `&mut` can be lent to one of them: take `&`, with \
                 a `Mutex` or an atomic for what changes, or return the change",
            ),
            FnArg::Receiver(_) | FnArg::Typed(_) => {}
        }
    }
}

fn is_mutable(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
        ReceiverKind::Typed(_, ty) => is_mutable_reference(ty),
        _ => false,
    }
}

fn is_mutable_reference(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => reference.mutability.is_some(),
        Type::Group(group) => is_mutable_reference(&group.elem),
        Type::Paren(paren) => is_mutable_reference(&paren.elem),
        _ => false,
    }
}
