//! What stands between the parentheses of the policies: `#[retry]` and `#[circuit_breaker]`.

use darling::FromMeta;
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::{Expr, Lit, Meta};

use crate::args::{DurationArg, Options, PathArg, literal, value_of, wrong};
use crate::diagnose::{listed, nearest};
use crate::registered;

/// The options of `#[retry]`.
#[derive(Debug, Default, FromMeta)]
pub(crate) struct RetryArgs {
    pub(crate) max_retries: Option<RetriesArg>,
    pub(crate) initial_delay: Option<DurationArg>,
    pub(crate) max_delay: Option<DurationArg>,
    pub(crate) multiplier: Option<NumberArg>,
    pub(crate) jitter: Option<JitterArg>,
    pub(crate) deadline: Option<DurationArg>,
    pub(crate) attempt_timeout: Option<DurationArg>,
    #[darling(rename = "if")]
    pub(crate) condition: Option<FunctionArg>,
    pub(crate) retry_after: Option<FunctionArg>,
    pub(crate) policy: Option<PolicyArg>,
    pub(crate) budget: Option<BudgetArg>,
    pub(crate) breaker: Option<BreakerArg>,
    pub(crate) name: Option<TextArg>,
    #[darling(rename = "crate")]
    pub(crate) path: Option<PathArg>,
}

impl Options for RetryArgs {
    const NAMES: &'static [&'static str] = &[
        "max_retries",
        "initial_delay",
        "max_delay",
        "multiplier",
        "jitter",
        "deadline",
        "attempt_timeout",
        "if",
        "retry_after",
        "policy",
        "budget",
        "breaker",
        "name",
        "crate",
    ];
    const ELSEWHERE: &'static [(&'static str, &'static str)] = &[
        ("fast", "a preset is text: write `\"fast\"`, in front"),
        ("default", "a preset is text: write `\"default\"`, in front"),
        (
            "conservative",
            "a preset is text: write `\"conservative\"`, in front",
        ),
        (
            "attempts",
            "the attempts are the first one and its retries: write `max_retries = …`, one less",
        ),
        (
            "max_attempts",
            "the attempts are the first one and its retries: write `max_retries = …`, one less",
        ),
        (
            "tries",
            "the tries are the first one and its retries: write `max_retries = …`, one less",
        ),
        (
            "times",
            "how many times it is run again is `max_retries`: write `max_retries = …`",
        ),
        (
            "retries",
            "how many times it is run again is `max_retries`: write `max_retries = …`",
        ),
        (
            "delay",
            "the delay before the first retry is `initial_delay`: write `initial_delay = …`",
        ),
        (
            "min_delay",
            "the delay before the first retry is `initial_delay`: write `initial_delay = …`",
        ),
        (
            "factor",
            "how much longer each delay is than the one before is `multiplier`: write `multiplier = …`",
        ),
        (
            "timeout",
            "how long one attempt may take is `attempt_timeout`, and how long all together `deadline`",
        ),
        (
            "coord",
            "a retry asks no coordinator for anything: leave this out",
        ),
        (
            "retry_if",
            "which errors are worth a retry is `if`: write `if = …`",
        ),
    ];
}

/// The options of `#[circuit_breaker]`.
#[derive(Debug, Default, FromMeta)]
pub(crate) struct CircuitBreakerArgs {
    pub(crate) failures: Option<AtLeastOneArg>,
    pub(crate) failure_rate: Option<NumberArg>,
    pub(crate) window: Option<DurationArg>,
    pub(crate) minimum_calls: Option<AtLeastOneArg>,
    pub(crate) reset: Option<DurationArg>,
    pub(crate) probes: Option<AtLeastOneArg>,
    pub(crate) successes: Option<AtLeastOneArg>,
    pub(crate) is_failure: Option<FunctionArg>,
    pub(crate) breaker: Option<BreakerArg>,
    pub(crate) name: Option<TextArg>,
    #[darling(rename = "crate")]
    pub(crate) path: Option<PathArg>,
}

impl Options for CircuitBreakerArgs {
    const NAMES: &'static [&'static str] = &[
        "failures",
        "failure_rate",
        "window",
        "minimum_calls",
        "reset",
        "probes",
        "successes",
        "is_failure",
        "breaker",
        "name",
        "crate",
    ];
    const ELSEWHERE: &'static [(&'static str, &'static str)] = &[
        (
            "threshold",
            "after how many failures in a row it opens is `failures`: write `failures = …`",
        ),
        (
            "failure_threshold",
            "after how many failures in a row it opens is `failures`: write `failures = …`",
        ),
        (
            "reset_timeout",
            "after how long it lets calls through again is `reset`: write `reset = …`",
        ),
        (
            "timeout",
            "after how long it lets calls through again is `reset`: write `reset = …`",
        ),
        (
            "coord",
            "a circuit breaker asks no coordinator for anything: leave this out",
        ),
        (
            "half_open_probes",
            "how many calls it lets through to try is `probes`: write `probes = …`",
        ),
        (
            "success_threshold",
            "how many of those that try must succeed is `successes`: write `successes = …`",
        ),
    ];
}

/// `max_retries = 3`, or an expression of type `u32`.
#[derive(Debug, Clone)]
pub(crate) struct RetriesArg(pub(crate) Expr);

impl FromMeta for RetriesArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let value = value_of(option, "3")?;
        whole_number(value)?;
        Ok(Self(value.clone()))
    }
}

/// `failures = 5`, or an expression of type `u32`.
#[derive(Debug, Clone)]
pub(crate) struct AtLeastOneArg(pub(crate) Expr);

impl FromMeta for AtLeastOneArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let value = value_of(option, "5")?;
        if whole_number(value)? == Some(0) {
            let name = option.path().to_token_stream();
            return Err(wrong(value, format!("`{name}` is at least 1")));
        }
        Ok(Self(value.clone()))
    }
}

/// A number that is a literal.
fn whole_number(value: &Expr) -> darling::Result<Option<u32>> {
    match literal(value) {
        None => Ok(None),
        Some(Lit::Int(count)) => count
            .base10_parse()
            .map(Some)
            .map_err(|_| wrong(count, format!("write a whole number up to {}", u32::MAX))),
        Some(other) => Err(wrong(other, "write a whole number, such as `5`")),
    }
}

/// `multiplier = 2.5`, or an expression of type `f64`.
#[derive(Debug, Clone)]
pub(crate) struct NumberArg {
    /// The expression that gives the number.
    pub(crate) value: TokenStream,
    /// What it is, where that is known at compile time.
    pub(crate) known: Option<f64>,
    /// What the user wrote.
    pub(crate) written: Expr,
}

impl FromMeta for NumberArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let written = value_of(option, "0.5")?;
        let known = match literal(written) {
            None => None,
            Some(Lit::Int(number)) => Some(number.base10_parse()?),
            Some(Lit::Float(number)) => Some(number.base10_parse()?),
            Some(other) => return Err(wrong(other, "write a number, such as `0.5`")),
        };
        // A number too large for an `f64` cannot be written as one; what has the option refuses it.
        let value = known.filter(|known: &f64| known.is_finite()).map_or_else(
            || written.to_token_stream(),
            |known| Literal::f64_suffixed(known).into_token_stream(),
        );
        Ok(Self {
            value,
            known,
            written: written.clone(),
        })
    }
}

/// `jitter = "full"`, `jitter = "25%"`, or an expression of type `Jitter`.
#[derive(Debug, Clone)]
pub(crate) enum JitterArg {
    /// The name of a variant.
    Named(&'static str),
    /// A part of the delay, up or down.
    Proportional(f64),
    Expression(Expr),
}

impl JitterArg {
    const NAMES: [(&'static str, &'static str); 4] = [
        ("none", "None"),
        ("full", "Full"),
        ("equal", "Equal"),
        ("decorrelated", "Decorrelated"),
    ];

    fn named(text: &str) -> Result<Self, String> {
        if let Some((_, variant)) = Self::NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Named(variant));
        }
        let percent = text.strip_suffix('%').map(str::trim);
        if let Some(percent @ 0..=100) = percent.and_then(|percent| percent.parse::<u8>().ok()) {
            return Ok(Self::Proportional(f64::from(percent) / 100.0));
        }
        let names = Self::NAMES.map(|(name, _)| name);
        let question = nearest(text, names)
            .map(|near| format!("; did you mean `\"{near}\"`?"))
            .unwrap_or_default();
        Err(format!(
            "`{text}` is no jitter{question}\navailable: {}, a percentage up to `\"100%\"`, or an \
             expression of type `coord::Jitter`",
            listed(names, "\"", "\"")
        ))
    }
}

impl FromMeta for JitterArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let value = value_of(option, "\"full\"")?;
        match literal(value) {
            None => Ok(Self::Expression(value.clone())),
            Some(Lit::Str(text)) => {
                Self::named(&text.value()).map_err(|problem| wrong(text, problem))
            }
            Some(other) => Err(wrong(
                other,
                "write the jitter as text, as in `\"full\"` or `\"25%\"`",
            )),
        }
    }
}

/// `name = "gateway"`, or a constant of type `&'static str`.
#[derive(Debug, Clone)]
pub(crate) struct TextArg(pub(crate) TokenStream);

impl TextArg {
    /// The name that was given, or the path of the function.
    pub(crate) fn or_path_of(given: Option<&Self>, function: &Ident) -> TokenStream {
        given.map_or_else(
            || {
                let function = function.unraw().to_string();
                quote!(::core::concat!(::core::module_path!(), "::", #function))
            },
            |given| given.0.clone(),
        )
    }

    /// The same as a constant, if it can be one.
    pub(crate) fn known(given: Option<&Self>, function: &Ident) -> Option<TokenStream> {
        match given {
            None => Some(Self::or_path_of(None, function)),
            Some(given) => registered::literal(&given.0),
        }
    }
}

impl FromMeta for TextArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let value = value_of(option, "\"gateway\"")?;
        match literal(value) {
            None => Ok(Self(quote!(#value))),
            Some(Lit::Str(text)) if text.value().is_empty() => Err(wrong(
                text,
                "the name is empty; leave it out for the function's own",
            )),
            Some(Lit::Str(text)) => Ok(Self(quote!(#text))),
            Some(other) => Err(wrong(other, "write the name as text, as in `\"gateway\"`")),
        }
    }
}

/// Options that are any expression but a literal.
macro_rules! expressions {
    ($($(#[$doc:meta])* $name:ident: $example:literal, $problem:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name(pub(crate) Expr);

        impl FromMeta for $name {
            fn from_meta(option: &Meta) -> darling::Result<Self> {
                let value = value_of(option, $example)?;
                match literal(value) {
                    None => Ok(Self(value.clone())),
                    Some(other) => Err(wrong(other, $problem)),
                }
            }
        }
    )* };
}

expressions! {
    /// `if = MyError::is_transient`: a function of the error, or a closure.
    FunctionArg: "MyError::is_transient",
        "name a function that takes `&E`, the error of this one, or write a closure: `|error| …`";
    /// `policy = self.policy`
    PolicyArg: "self.policy", "name a `coord::RetryPolicy`, as in `policy = self.policy`";
    /// `budget = self.budget`
    BudgetArg: "self.budget", "name a `coord::policy::RetryBudget`, as in `budget = self.budget`";
    /// `breaker = self.breaker`
    BreakerArg: "self.breaker", "name a `coord::CircuitBreaker`, as in `breaker = self.breaker`";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::knows_its_names;

    #[test]
    fn every_listed_option_is_known() {
        knows_its_names::<RetryArgs>();
        knows_its_names::<CircuitBreakerArgs>();
    }
}
