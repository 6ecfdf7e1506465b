//! The options of `#[idempotent]`, and the values that only it has.

use darling::FromMeta;
use proc_macro2::Ident;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Expr, Lit, Meta, Path, Token};

use crate::args::{
    DurationArg, ExprArg, NameArg, Options, PathArg, Templated, Word, literal, value_of, wrong,
};

/// The options of `#[idempotent]`.
#[derive(Debug, Default, FromMeta)]
pub(crate) struct IdempotentArgs {
    pub(crate) ttl: Option<DurationArg>,
    pub(crate) lease: Option<DurationArg>,
    pub(crate) in_progress: Option<InProgressArg>,
    pub(crate) wait: Option<DurationArg>,
    pub(crate) fingerprint: Option<FingerprintArg>,
    pub(crate) remember_errors: Option<Word>,
    pub(crate) context: Option<NameArg>,
    pub(crate) coord: Option<ExprArg>,
    #[darling(rename = "crate")]
    pub(crate) path: Option<PathArg>,
}

impl Options for IdempotentArgs {
    const NAMES: &'static [&'static str] = &[
        "ttl",
        "lease",
        "in_progress",
        "wait",
        "fingerprint",
        "remember_errors",
        "context",
        "coord",
        "crate",
    ];
    const ELSEWHERE: &'static [(&'static str, &'static str)] = &[
        (
            "reject",
            "what to do while another call is running is `in_progress`: write `in_progress = \"reject\"`",
        ),
        (
            "timeout",
            "how long to wait for a call that is running is `wait`: write `wait = …`",
        ),
    ];
}

impl Templated for IdempotentArgs {
    const USAGE: &'static str = "#[idempotent(\"payment:<order>\")]";
}

/// `in_progress = "reject"` or `"wait"`
#[derive(Debug, Clone)]
pub(crate) struct InProgressArg {
    pub(crate) rejects: bool,
    pub(crate) written: Expr,
}

impl FromMeta for InProgressArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let written = value_of(option, "\"reject\"")?;
        let word = match literal(written) {
            Some(Lit::Str(text)) => text.value(),
            _ => String::new(),
        };
        let rejects = match word.as_str() {
            "reject" => true,
            "wait" => false,
            _ => {
                return Err(wrong(
                    written,
                    "write `\"wait\"`, to wait for the call that is running, or `\"reject\"`, to fail at once",
                ));
            }
        };
        Ok(Self {
            rejects,
            written: written.clone(),
        })
    }
}

/// `fingerprint`, or `fingerprint(amount, currency)`
#[derive(Debug, Clone)]
pub(crate) enum FingerprintArg {
    /// All arguments that are not in the key.
    AllBut(Path),
    /// These arguments.
    Of(Vec<Ident>),
}

impl FromMeta for FingerprintArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        const HOW: &str = "write `fingerprint`, for all arguments that are not in the key, or name some, as in \
                           `fingerprint(amount, currency)`";
        let list = match option {
            Meta::Path(word) => return Ok(Self::AllBut(word.clone())),
            Meta::List(list) => list,
            Meta::NameValue(pair) => return Err(wrong(&pair.value, HOW)),
        };
        let names = Punctuated::<Ident, Token![,]>::parse_terminated
            .parse2(list.tokens.clone())
            .map_err(|_| wrong(&list.tokens, HOW))?;
        if names.is_empty() {
            return Err(wrong(list, HOW));
        }
        Ok(Self::Of(names.into_iter().collect()))
    }
}
