//! What stands between the parentheses of each macro: key templates, then options.

use std::time::Duration;

use darling::FromMeta;
use darling::ast::NestedMeta;
use proc_macro2::{Ident, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, Lit, LitStr, Meta, MetaNameValue, Path};

use crate::diagnose::{Mistakes, listed, nearest};
use crate::duration;

/// The options of one macro.
pub(crate) trait Options: FromMeta + Default {
    /// Their names, as the user writes them.
    const NAMES: &'static [&'static str];

    /// Names that belong somewhere else, each with what to write instead.
    const ELSEWHERE: &'static [(&'static str, &'static str)] = &[];

    /// The same of another macro that these options are taken from. What is listed above goes first.
    const ELSEWHERE_TOO: &'static [(&'static str, &'static str)] = &[];
}

/// The options of a macro that key templates stand before.
pub(crate) trait Templated: Options {
    /// The macro with a key template, as an example of how it begins.
    const USAGE: &'static str;
}

/// The options of `key!`.
#[derive(Debug, Default, FromMeta)]
pub(crate) struct KeyArgs {
    #[darling(rename = "crate")]
    pub(crate) path: Option<PathArg>,
}

impl Options for KeyArgs {
    const NAMES: &'static [&'static str] = &["crate"];
}

impl Templated for KeyArgs {
    const USAGE: &'static str = "key!(\"order:<id>\")";
}

/// The options of `#[derive(KeyPart)]`, in `#[key_part(…)]`.
#[derive(Debug, Default, FromMeta)]
pub(crate) struct KeyPartArgs {
    #[darling(rename = "crate")]
    pub(crate) path: Option<PathArg>,
}

impl Options for KeyPartArgs {
    const NAMES: &'static [&'static str] = &["crate"];
}

/// Reads key templates and options. Of what is wrong, each item is reported and left out.
pub(crate) fn read<A: Templated>(tokens: TokenStream, mistakes: &mut Mistakes) -> (Vec<LitStr>, A) {
    let first = tokens.clone().into_iter().next();
    let items = match items(tokens) {
        Ok(items) => items,
        Err(_) if !matches!(first, None | Some(TokenTree::Literal(_))) => {
            mistakes.under(first, no_template::<A>());
            return Default::default();
        }
        Err(error) => {
            mistakes.push(error);
            return Default::default();
        }
    };
    let (templates, options) = split::<A>(items, mistakes);
    (templates, read_options(options, mistakes))
}

/// Reads options that no key template stands before. What stands there as a literal is the caller's to judge.
pub(crate) fn read_named<A: Options>(
    tokens: TokenStream,
    mistakes: &mut Mistakes,
) -> (Vec<Lit>, A) {
    let items = mistakes.catch(items(tokens));
    let (mut literals, mut options) = (Vec::new(), Vec::new());
    for item in items.unwrap_or_default() {
        match item {
            NestedMeta::Lit(literal) => literals.push(literal),
            option => options.push(option),
        }
    }
    (literals, read_options(options, mistakes))
}

/// Reads the options in an attribute of its own, such as `#[key_part(crate = path)]`.
pub(crate) fn read_attribute<A: Options>(attribute: &Attribute, mistakes: &mut Mistakes) -> A {
    let tokens = mistakes
        .catch(attribute.meta.require_list())
        .map(|list| list.tokens.clone());
    let options = tokens.and_then(|tokens| mistakes.catch(items(tokens)));
    let is_literal = |option: &mut NestedMeta| matches!(option, NestedMeta::Lit(_));
    let mut options = options.unwrap_or_default();
    for literal in options.extract_if(.., is_literal) {
        mistakes.under(
            literal,
            format!(
                "options have names; they are {}",
                listed(A::NAMES.iter().copied(), "", "")
            ),
        );
    }
    read_options(options, mistakes)
}

/// What stands between commas.
fn items(tokens: TokenStream) -> syn::Result<Vec<NestedMeta>> {
    NestedMeta::parse_meta_list(tokens.clone()).map_err(|error| with_colon(tokens).unwrap_or(error))
}

/// What to say about `name: value`, as struct literals have it.
fn with_colon(tokens: TokenStream) -> Option<syn::Error> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    tokens.windows(3).find_map(|tokens| match tokens {
        [TokenTree::Ident(name), TokenTree::Punct(colon), value]
            if colon.as_char() == ':' && colon.spacing() == Spacing::Alone =>
        {
            let message = format!("options have `=` behind their names: write `{name} = {value}`");
            Some(syn::Error::new(colon.span(), message))
        }
        _ => None,
    })
}

/// Parts the templates, which come first, from the options.
fn split<A: Templated>(
    items: Vec<NestedMeta>,
    mistakes: &mut Mistakes,
) -> (Vec<LitStr>, Vec<NestedMeta>) {
    let (mut templates, mut options) = (Vec::new(), Vec::new());
    let starts_with_literal = matches!(items.first(), Some(NestedMeta::Lit(_)));
    let has_template = items
        .iter()
        .any(|item| matches!(item, NestedMeta::Lit(Lit::Str(_))));
    if items.is_empty() {
        mistakes.at(Span::call_site(), no_template::<A>());
    } else if !starts_with_literal && !has_template {
        let message = named_template(&items[0]).unwrap_or_else(no_template::<A>);
        mistakes.under(&items[0], message);
    }
    for (index, item) in items.into_iter().enumerate() {
        match item {
            NestedMeta::Lit(Lit::Str(template)) => {
                if !options.is_empty() {
                    mistakes.under(
                        &template,
                        "key templates stand before the options; move this one to the front",
                    );
                }
                templates.push(template);
            }
            NestedMeta::Lit(literal) => {
                mistakes.under(
                    literal,
                    format!("a key template is a string literal, as in `{}`", A::USAGE),
                );
            }
            // Already reported, as what stands where a template should.
            NestedMeta::Meta(Meta::Path(name))
                if index == 0 && !has_template && !is_known::<A>(&name) => {}
            option if index == 0 && !has_template && named_template(&option).is_some() => {}
            option => options.push(option),
        }
    }
    (templates, options)
}

fn no_template<A: Templated>() -> String {
    format!(
        "the key template is missing: a string literal comes first, as in `{}`",
        A::USAGE
    )
}

/// What to say about `key = "order:<id>"`.
fn named_template(item: &NestedMeta) -> Option<String> {
    let NestedMeta::Meta(Meta::NameValue(MetaNameValue { path, value, .. })) = item else {
        return None;
    };
    if !path.is_ident("key") && !path.is_ident("template") {
        return None;
    }
    let value = value.to_token_stream();
    Some(format!(
        "the key template stands first, without a name: write `{value}`"
    ))
}

fn is_known<A: Options>(name: &Path) -> bool {
    A::NAMES.iter().any(|known| name.is_ident(known))
}

/// Reads the options that are known, given once, and have a value that fits.
fn read_options<A: Options>(options: Vec<NestedMeta>, mistakes: &mut Mistakes) -> A {
    let mut good: Vec<NestedMeta> = Vec::new();
    let mut seen: Vec<Path> = Vec::new();
    for option in options {
        let name = name_of(&option).clone();
        if !is_known::<A>(&name) {
            mistakes.under(&name, unknown_option::<A>(&name));
        } else if seen.contains(&name) {
            let name_text = name.to_token_stream();
            mistakes.under(
                &name,
                format!("`{name_text}` is given twice; keep one of them"),
            );
        } else {
            seen.push(name);
            if let Some(option) = fitting::<A>(option, mistakes) {
                good.push(option);
            }
        }
    }
    A::from_list(&good).unwrap_or_default()
}

/// `option`, if its value fits.
fn fitting<A: Options>(option: NestedMeta, mistakes: &mut Mistakes) -> Option<NestedMeta> {
    if let NestedMeta::NameValueInvalidExpr(broken) = &option
        && broken.value.is_empty()
    {
        let name = broken.path.to_token_stream();
        mistakes.under(
            &broken.path,
            format!("`{name} =` has no value; give one, or leave the option out"),
        );
        return None;
    }
    A::from_list(std::slice::from_ref(&option))
        .map_err(|error| mistakes.push_darling(error))
        .ok()?;
    Some(option)
}

fn name_of(option: &NestedMeta) -> &Path {
    match option {
        NestedMeta::Meta(meta) => meta.path(),
        NestedMeta::NameValueInvalidExpr(meta) => &meta.path,
        NestedMeta::Lit(_) => unreachable!("literals are parted from the options"),
    }
}

fn unknown_option<A: Options>(name: &Path) -> String {
    let name = name.to_token_stream().to_string();
    let mut elsewhere = A::ELSEWHERE.iter().chain(A::ELSEWHERE_TOO);
    if let Some((_, instead)) = elsewhere.find(|(known, _)| *known == name) {
        return (*instead).to_owned();
    }
    let known = A::NAMES.iter().copied();
    let question = nearest(&name, known.clone())
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    format!(
        "unknown option `{name}`{question}\navailable: {}",
        listed(known, "", "")
    )
}

/// The value of `name = value`, or an error that shows how to write the option.
pub(crate) fn value_of<'a>(option: &'a Meta, example: &str) -> darling::Result<&'a Expr> {
    match option {
        Meta::NameValue(pair) => Ok(ungrouped(&pair.value)),
        Meta::Path(_) | Meta::List(_) => {
            let name = option.path().to_token_stream();
            Err(wrong(
                option,
                format!("`{name}` needs a value: write `{name} = {example}`"),
            ))
        }
    }
}

/// `value` without the invisible delimiters that it gets on its way through a `macro_rules!` macro.
fn ungrouped(value: &Expr) -> &Expr {
    match value {
        Expr::Group(group) => ungrouped(&group.expr),
        value => value,
    }
}

pub(crate) fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(literal) => Some(&literal.lit),
        _ => None,
    }
}

pub(crate) fn wrong(at: &impl ToTokens, message: impl std::fmt::Display) -> darling::Error {
    let error = syn::Error::new_spanned(at, message);
    darling::Error::from(error)
}

/// `ttl = "30s"`, or an expression of type `Duration`.
#[derive(Debug, Clone)]
pub(crate) struct DurationArg {
    /// The expression that gives the duration.
    pub(crate) value: TokenStream,
    /// What it is, where that is known at compile time.
    pub(crate) known: Option<Duration>,
    /// What the user wrote.
    pub(crate) written: Expr,
}

impl FromMeta for DurationArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let written = value_of(option, "\"30s\"")?;
        let known = match literal(written) {
            None => None,
            Some(Lit::Str(text)) => {
                Some(duration::parse(&text.value()).map_err(|problem| wrong(text, problem))?)
            }
            Some(other) => {
                return Err(wrong(
                    other,
                    duration::without_unit(&other.to_token_stream().to_string()),
                ));
            }
        };
        let value = known.map_or_else(|| written.to_token_stream(), duration::to_tokens);
        Ok(Self {
            value,
            known,
            written: written.clone(),
        })
    }
}

/// `lease = name`, `context = name`
#[derive(Debug, Clone)]
pub(crate) struct NameArg(pub(crate) Ident);

impl FromMeta for NameArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let name = option.path().to_token_stream().to_string();
        let value = value_of(option, &name)?;
        match value {
            Expr::Path(path) if !path.path.is_ident("self") => {
                path.path.get_ident().cloned().map(Self)
            }
            _ => None,
        }
        .ok_or_else(|| {
            wrong(
                value,
                format!("write the name that the body uses, as in `{name} = {name}`"),
            )
        })
    }
}

/// `coord = self.coord`: any expression.
#[derive(Debug, Clone)]
pub(crate) struct ExprArg(pub(crate) Expr);

impl FromMeta for ExprArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        let value = value_of(option, "self.coord")?;
        match literal(value) {
            None => Ok(Self(value.clone())),
            Some(other) => Err(wrong(
                other,
                "name a `coord::Coordinator`, as in `coord = self.coord`",
            )),
        }
    }
}

impl ExprArg {
    /// Where it was written.
    pub(crate) fn span(&self) -> Span {
        self.0.span()
    }

    /// The local that holds the coordinator, seen from `place`.
    pub(crate) fn local(place: Span) -> Ident {
        Ident::new("coordinator", Span::mixed_site().located_at(place))
    }
}

/// `crate = some::path`
#[derive(Debug, Clone)]
pub(crate) struct PathArg(pub(crate) Path);

impl FromMeta for PathArg {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        match value_of(option, "::coord")? {
            Expr::Path(path) if path.qself.is_none() => Ok(Self(path.path.clone())),
            other => Err(wrong(
                other,
                "write the path of the `coord` crate, as in `crate = ::coord`",
            )),
        }
    }
}

/// An option that is there or not, such as `shared`.
#[derive(Debug, Clone)]
pub(crate) struct Word(pub(crate) Path);

impl FromMeta for Word {
    fn from_meta(option: &Meta) -> darling::Result<Self> {
        match option {
            Meta::Path(name) => Ok(Self(name.clone())),
            Meta::List(_) | Meta::NameValue(_) => {
                let name = option.path().to_token_stream();
                Err(wrong(
                    option,
                    format!("`{name}` takes no value: write `{name}`, or leave it out"),
                ))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::idempotent_args::IdempotentArgs;
    use crate::locked_args::LockedArgs;

    /// The names that the struct knows and the names that the messages show are two lists.
    #[track_caller]
    pub(crate) fn knows_its_names<A: Options>() {
        for name in A::NAMES {
            let option = NestedMeta::Meta(Meta::Path(Ident::new(name, Span::call_site()).into()));
            if let Err(error) = A::from_list(&[option]) {
                assert!(!error.to_string().contains("Unknown field"), "{error}");
            }
        }
    }

    #[test]
    fn every_listed_option_is_known() {
        knows_its_names::<LockedArgs>();
        knows_its_names::<IdempotentArgs>();
        knows_its_names::<KeyArgs>();
        knows_its_names::<KeyPartArgs>();
    }
}
