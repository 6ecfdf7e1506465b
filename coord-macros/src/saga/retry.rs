//! How a step is retried: `retry = "fast"`, `retry = policy()`, or `retry("fast", max_retries = 3, if = …)` with what
//! `#[retry]` makes a policy of.

use darling::FromMeta;
use darling::ast::NestedMeta;
use proc_macro2::TokenStream;

use super::args::RetryArg;
use crate::args::{Options, read_named};
use crate::diagnose::Mistakes;
use crate::paths::Paths;
use crate::policy_args::{FunctionArg, RetryArgs};
use crate::render::borrowed;
use crate::retry::{check_delays, check_preset, policy};

/// How a step is retried.
#[derive(Debug)]
pub(super) struct StepRetry {
    /// The policy, as a borrowed expression.
    pub(super) policy: TokenStream,
    /// Which errors are worth it.
    pub(super) condition: Option<FunctionArg>,
}

impl StepRetry {
    pub(super) fn read(written: &RetryArg, paths: &Paths, mistakes: &mut Mistakes) -> Self {
        let of = |preset, args: RetryArgs| Self {
            policy: policy(preset, &args, paths),
            condition: args.condition,
        };
        match written {
            RetryArg::Preset(preset) => of(*preset, RetryArgs::default()),
            RetryArg::Policy(policy) => Self {
                policy: borrowed(policy),
                condition: None,
            },
            RetryArg::Parts(tokens) => {
                let (literals, StepRetryArgs(args)) = read_named(tokens.clone(), mistakes);
                let preset = check_preset(&literals, mistakes);
                check_delays(preset, &args, mistakes);
                of(preset, args)
            }
        }
    }
}

/// Those options of `#[retry]` that a step has.
#[derive(Debug, Default)]
struct StepRetryArgs(RetryArgs);

impl FromMeta for StepRetryArgs {
    fn from_list(options: &[NestedMeta]) -> darling::Result<Self> {
        RetryArgs::from_list(options).map(Self)
    }
}

impl Options for StepRetryArgs {
    const NAMES: &'static [&'static str] = &[
        "max_retries",
        "initial_delay",
        "max_delay",
        "multiplier",
        "jitter",
        "if",
    ];
    const ELSEWHERE: &'static [(&'static str, &'static str)] = &[
        (
            "attempt_timeout",
            "how long an attempt may take is the step's `timeout`: write `#[step(timeout = …, retry(…))]`",
        ),
        (
            "timeout",
            "how long an attempt may take is the step's `timeout`: write `#[step(timeout = …, retry(…))]`",
        ),
        (
            "deadline",
            "a step is tried as often as its policy says, however long that takes: write `max_retries = …`",
        ),
        ("policy", "a policy as a whole is written `retry = …`"),
        (
            "name",
            "a step has its `id`, and its saga a name; what is told of attempts is told under these",
        ),
        (
            "crate",
            "where `coord` is stands on the impl: `#[saga(crate = path)]`",
        ),
    ];
    const ELSEWHERE_TOO: &'static [(&'static str, &'static str)] = RetryArgs::ELSEWHERE;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::knows_its_names;

    #[test]
    fn every_listed_option_is_known() {
        knows_its_names::<StepRetryArgs>();
    }
}
