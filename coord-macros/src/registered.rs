//! The entry of an annotated function or saga in the registry of the program.

use proc_macro2::{Delimiter, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::quote;
use syn::LitStr;

use crate::paths::Paths;

/// What stands in the registry besides the place, which the compiler knows.
pub(crate) struct Entry<'a> {
    /// The variant of the registry's kind.
    pub(crate) kind: &'static str,
    /// Key templates as expressions.
    pub(crate) templates: Vec<TokenStream>,
    /// A name that it has in metrics or in the store, as an expression.
    pub(crate) name: Option<TokenStream>,
    /// The options as they were written.
    pub(crate) options: &'a str,
    /// What the attribute stands on.
    pub(crate) item: String,
}

impl Entry<'_> {
    /// The item that makes it known.
    pub(crate) fn registration(&self, paths: &Paths) -> TokenStream {
        let Self {
            templates,
            options,
            item,
            ..
        } = self;
        let (inventory, annotated, kind) = (
            paths.inventory(),
            paths.annotated(),
            paths.annotated_kind(&Ident::new(self.kind, Span::mixed_site())),
        );
        let name = self.name.as_ref().map_or_else(
            || quote!(::core::option::Option::None),
            |name| quote!(::core::option::Option::Some(#name)),
        );
        quote! {
            #inventory::submit! {
                #annotated::new(#kind, &[#(#templates),*], #name, #options,
                    ::core::concat!(::core::module_path!(), "::", #item))
            }
        }
    }
}

/// Whether an attribute of ours has expanded in these tokens, and so left its entry there. Other attributes between
/// two of ours may have wrapped them.
pub(crate) fn is_in(tokens: TokenStream) -> bool {
    let mut behind_private = false;
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(name) => {
            let found = behind_private && name == "Annotated";
            behind_private = name == "__private";
            found
        }
        TokenTree::Group(group) => is_in(group.stream()),
        _ => false,
    })
}

/// The options among the arguments of an attribute, as text: those that stand alone as literals are left out, and
/// where the crate is.
pub(crate) fn options(args: &TokenStream) -> String {
    let mut options = vec![Vec::new()];
    for token in args.clone() {
        match &token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => options.push(Vec::new()),
            _ => options
                .last_mut()
                .into_iter()
                .for_each(|last| last.push(token.clone())),
        }
    }
    let written = options
        .into_iter()
        .filter(|option| is_option(option))
        .map(written);
    written.collect::<Vec<_>>().join(", ")
}

/// Whether this is an option, and no literal that stands alone, nor where the crate is.
fn is_option(tokens: &[TokenTree]) -> bool {
    match tokens {
        [] | [TokenTree::Literal(_)] => false,
        // As it comes out of a `macro_rules!` macro.
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::None => {
            is_option(&group.stream().into_iter().collect::<Vec<_>>())
        }
        [TokenTree::Ident(name), ..] => name != "crate",
        _ => true,
    }
}

/// A literal that is text, as an expression that a constant can have.
pub(crate) fn literal(tokens: &TokenStream) -> Option<TokenStream> {
    let literal = syn::parse2::<LitStr>(tokens.clone()).ok()?;
    Some(quote!(#literal))
}

/// Tokens as people write them, which differs from how compilers do.
fn written(tokens: impl IntoIterator<Item = TokenTree>) -> String {
    let mut text = String::new();
    let mut joined = false;
    for token in tokens {
        let was_joined = std::mem::take(&mut joined);
        match token {
            TokenTree::Punct(punct) => {
                joined = punct.spacing() == Spacing::Joint;
                let sign = punct.as_char();
                match sign {
                    '=' | '+' | '*' | '/' if !was_joined && !joined => {
                        text.extend([' ', sign, ' ']);
                    }
                    ',' => text.push_str(", "),
                    _ => text.push(sign),
                }
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                text.extend([open, &written(group.stream()), close]);
            }
            word => {
                if text.ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == '"')
                {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(args: &str, expected: &str) {
        assert_eq!(options(&args.parse().unwrap()), expected);
    }

    #[test]
    fn options_are_as_people_write_them() {
        check(r#""order:<id>""#, "");
        check(
            r#""order:<id>", ttl="30s",wait = "5s""#,
            r#"ttl = "30s", wait = "5s""#,
        );
        check(
            r#""a:<x>", fingerprint(amount, currency), crate = ::shop::coord"#,
            "fingerprint(amount, currency)",
        );
        check(
            r#""fast", max_retries = 3, if = MyError::is_transient"#,
            "max_retries = 3, if = MyError::is_transient",
        );
        check(
            r#""a", skip, coord = self.coord, wait = patience(2 * 3)"#,
            "skip, coord = self.coord, wait = patience(2 * 3)",
        );
    }

    #[test]
    fn an_entry_is_found_where_it_is_left() {
        let entry = Entry {
            kind: "Retry",
            templates: Vec::new(),
            name: None,
            options: "",
            item: String::new(),
        };
        let left = entry.registration(&Paths::new(None));
        assert!(is_in(quote!(#left body.await)));
        assert!(is_in(quote!(traced(async move { { #left body.await } }))));
        assert!(!is_in(
            quote!(coord::registry::Annotated; other::__private::call())
        ));
    }
}
