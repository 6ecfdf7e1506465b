//! The options of `#[locked]`, and the values that only it has.

use darling::FromMeta;
use syn::{Expr, Lit, LitBool, Meta};

use crate::args::{
    DurationArg, ExprArg, NameArg, Options, PathArg, Templated, Word, literal, value_of, wrong,
};

/// The options of `#[locked]`.
#[derive(Debug, Default, FromMeta)]
pub(crate) struct LockedArgs {
    pub(crate) ttl: Option<DurationArg>,
    pub(crate) wait: Option<DurationArg>,
    pub(crate) at_least: Option<DurationArg>,
    pub(crate) renew: Option<BoolArg>,
    pub(crate) shared: Option<Word>,
    pub(crate) exclusive: Option<Word>,
    pub(crate) permits: Option<CountArg>,
    pub(crate) skip: Option<Word>,
    pub(crate) lease: Option<NameArg>,
    pub(crate) coord: Option<ExprArg>,
    #[darling(rename = "crate")]
    pub(crate) path: Option<PathArg>,
}

impl Options for LockedArgs {
    const NAMES: &'static [&'static str] = &[
        "ttl",
        "wait",
        "at_least",
        "renew",
        "shared",
        "exclusive",
        "permits",
        "skip",
        "lease",
        "coord",
        "crate",
    ];
    const ELSEWHERE: &'static [(&'static str, &'static str)] = &[
        (
            "timeout",
            "how long to queue for the lock is `wait`: write `wait = …`; how long it outlives a process that died with \
             it is `ttl`",
        ),
        (
            "read",
            "the reader's side of a read/write lock is `shared`: write `shared`",
        ),
        (
            "write",
            "the writer's side of a read/write lock is what it is anyway: leave this out, or write `exclusive`",
        ),
        (
            "capacity",
            "how many calls run at once is `permits`: write `permits = …`",
        ),
    ];
}

impl Templated for LockedArgs {
    const USAGE: &'static str = "#[locked(\"order:<id>\")]";
}

/// `renew = false`, or an expression of type `bool`.
#[derive(Debug, Clone)]
pub(crate) struct BoolArg(pub(crate) Expr);

impl BoolArg {
    /// Whether it is surely `false`.
    pub(crate) fn is_false(&self) -> bool {
        matches!(
            literal(&self.0),
            Some(Lit::Bool(LitBool { value: false, .. }))
        )
    }
}

impl FromMeta for BoolArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let value = value_of(option, "false")?;
        match literal(value) {
            None | Some(Lit::Bool(_)) => Ok(Self(value.clone())),
            Some(other) => Err(wrong(other, "write `true` or `false`")),
        }
    }
}

/// `permits = 5`, or an expression of type `u32`.
#[derive(Debug, Clone)]
pub(crate) struct CountArg(pub(crate) Expr);

impl FromMeta for CountArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let value = value_of(option, "5")?;
        match literal(value) {
            None => {}
            Some(Lit::Int(count)) => match count.base10_parse::<u32>() {
                Ok(0) => {
                    return Err(wrong(
                        count,
                        "with no permits nobody could ever run; allow at least 1",
                    ));
                }
                Ok(_) => {}
                Err(_) => {
                    return Err(wrong(
                        count,
                        format!("write a whole number up to {}", u32::MAX),
                    ));
                }
            },
            Some(other) => return Err(wrong(other, "write a whole number, such as `5`")),
        }
        Ok(Self(value.clone()))
    }
}
