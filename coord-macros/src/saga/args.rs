//! The options of a saga's attributes.

use darling::FromMeta;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned;
use syn::{Expr, ExprField, Lit, LitStr, Member, Meta};

use crate::args::{DurationArg, Options, PathArg, Templated, Word, literal, value_of, wrong};
use crate::retry::Preset;

/// The options of `#[saga("…")]` on a struct.
#[derive(Debug, Default, FromMeta)]
pub(super) struct InputArgs {
    #[darling(rename = "crate")]
    pub(super) path: Option<PathArg>,
}

impl Options for InputArgs {
    const NAMES: &'static [&'static str] = &["crate"];
    const ELSEWHERE: &'static [(&'static str, &'static str)] = &[(
        "name",
        "a saga's name stands on its impl, beside the steps: `#[saga(name = \"…\")] impl …`",
    )];
    const ELSEWHERE_TOO: &'static [(&'static str, &'static str)] = StepsArgs::ELSEWHERE;
}

impl Templated for InputArgs {
    const USAGE: &'static str = "#[saga(\"order:<order_id>\")]";
}

/// The options of `#[saga]` on an impl.
#[derive(Debug, Default, FromMeta)]
pub(super) struct StepsArgs {
    pub(super) name: Option<TextArg>,
    #[darling(rename = "crate")]
    pub(super) path: Option<PathArg>,
}

impl Options for StepsArgs {
    const NAMES: &'static [&'static str] = &["name", "crate"];
    const ELSEWHERE: &'static [(&'static str, &'static str)] = &[
        (
            "coord",
            "the coordinator is given where the saga is started: call `run_with(&coord)` or `start_with(&coord)`",
        ),
        (
            "retention",
            "how long a finished saga stays is the coordinator's: `Coordinator::builder().saga_retention(…)`",
        ),
        (
            "ttl",
            "how long a finished saga stays is the coordinator's: `Coordinator::builder().saga_retention(…)`",
        ),
        (
            "retry",
            "each step is retried in its own way: write `#[step(retry = …)]`",
        ),
        (
            "timeout",
            "each step has a time of its own: write `#[step(timeout = …)]`",
        ),
    ];
}

/// The options of `#[step]`.
#[derive(Debug, Default, FromMeta)]
pub(super) struct StepArgs {
    pub(super) compensate: Option<MethodArg>,
    pub(super) retry: Option<RetryArg>,
    pub(super) timeout: Option<DurationArg>,
    pub(super) pivot: Option<Word>,
    pub(super) id: Option<TextArg>,
    pub(super) parallel: Option<Word>,
    pub(super) each: Option<FieldArg>,
    pub(super) when: Option<MethodArg>,
}

impl Options for StepArgs {
    const NAMES: &'static [&'static str] = &[
        "compensate",
        "retry",
        "timeout",
        "pivot",
        "id",
        "parallel",
        "each",
        "when",
    ];
    const ELSEWHERE: &'static [(&'static str, &'static str)] = &[
        (
            "name",
            "what a step is called in the store is its `id`: write `id = \"…\"`",
        ),
        (
            "max_retries",
            "what a policy is made of stands in `retry(…)`: write `retry(max_retries = …)`",
        ),
        (
            "if",
            "what says whether a step is run is `when`: write `when = …`",
        ),
        (
            "undo",
            "what undoes a step is its compensation: write `compensate = …`",
        ),
    ];
}

/// `name = "…"`, `id = "…"`
#[derive(Debug, Clone)]
pub(super) struct TextArg(pub(super) LitStr);

impl FromMeta for TextArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let name = option.path().to_token_stream().to_string();
        let value = value_of(option, "\"…\"")?;
        match literal(value) {
            Some(Lit::Str(text)) if text.value().is_empty() => Err(wrong(
                text,
                format!(
                    "`{name}` is empty; it is what the store knows this by, so give it some text"
                ),
            )),
            Some(Lit::Str(text)) if text.value().contains('/') => Err(wrong(
                text,
                format!(
                    "a `/` stands between the parts of what is stored, so `{name}` has none; write another character"
                ),
            )),
            Some(Lit::Str(text)) => Ok(Self(text.clone())),
            _ => Err(wrong(
                value,
                format!(
                    "write a string literal, as in `{name} = \"…\"`: it is stored, and must stay the same"
                ),
            )),
        }
    }
}

/// `compensate = refund`, `when = is_gift`
#[derive(Debug, Clone)]
pub(super) struct MethodArg(pub(super) Ident);

impl FromMeta for MethodArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let name = option.path().to_token_stream();
        let value = value_of(option, "method")?;
        let method = match value {
            Expr::Path(path) if !path.path.is_ident("self") => path.path.get_ident(),
            _ => None,
        };
        method.cloned().map(Self).ok_or_else(|| {
            wrong(
                value,
                format!("write the name of a method of this impl, as in `{name} = method`"),
            )
        })
    }
}

/// `retry = "fast"`, an expression that is a policy, or `retry(…)` with what a policy is made of.
#[derive(Debug, Clone)]
pub(super) enum RetryArg {
    Preset(Preset),
    Policy(Expr),
    Parts(TokenStream),
}

impl FromMeta for RetryArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        if let Meta::List(list) = option {
            return Ok(Self::Parts(list.tokens.clone()));
        }
        let value = value_of(option, "\"fast\"")?;
        match literal(value) {
            None => Ok(Self::Policy(value.clone())),
            Some(Lit::Str(text)) => Preset::called(&text.value())
                .map(Self::Preset)
                .map_err(|problem| wrong(text, problem)),
            Some(other) => Err(wrong(
                other,
                "write a preset, as in `retry = \"fast\"`, a `coord::RetryPolicy`, or what makes one, as in \
                 `retry(max_retries = 3)`",
            )),
        }
    }
}

/// `each = items`, `each = order.items`
#[derive(Debug, Clone)]
pub(super) struct FieldArg {
    path: Vec<Member>,
}

impl FromMeta for FieldArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let value = value_of(option, "items")?;
        let path = members(value).filter(|path| !path.is_empty());
        path.map(|path| Self { path }).ok_or_else(|| {
            wrong(
                value,
                "write the field of the saga that has the items, as in `each = items`",
            )
        })
    }
}

/// The fields behind `self`, which may be left out.
fn members(value: &Expr) -> Option<Vec<Member>> {
    match value {
        Expr::Path(path) if path.path.is_ident("self") => Some(Vec::new()),
        Expr::Path(path) => Some(vec![Member::Named(path.path.get_ident()?.clone())]),
        Expr::Field(ExprField { base, member, .. }) => {
            let mut path = members(base)?;
            path.push(member.clone());
            Some(path)
        }
        _ => None,
    }
}

impl FieldArg {
    /// Where it was written.
    pub(super) fn span(&self) -> Span {
        self.path
            .first()
            .map_or_else(Span::call_site, Spanned::span)
    }

    /// The field as it was written, without `self`.
    pub(super) fn written(&self) -> String {
        let path = self.path.iter().map(|member| match member {
            Member::Named(name) => name.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        });
        path.collect::<Vec<_>>().join(".")
    }

    /// The field of `saga`.
    pub(super) fn of(&self, saga: &Ident) -> TokenStream {
        let path = &self.path;
        quote_spanned!(saga.span()=> #saga #(.#path)*)
    }
}

/// The first `self` in an option that has none to speak of.
pub(super) fn find_self(tokens: TokenStream) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "self" => Some(ident),
        TokenTree::Group(group) => find_self(group.stream()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::knows_its_names;

    #[test]
    fn every_listed_option_is_known() {
        knows_its_names::<InputArgs>();
        knows_its_names::<StepsArgs>();
        knows_its_names::<StepArgs>();
    }
}
