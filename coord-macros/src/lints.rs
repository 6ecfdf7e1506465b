//! The lint levels of what an attribute stands on, for the items that it adds beside it.

use syn::{AttrStyle, Attribute, Meta, parse_quote};

/// The attributes that set lint levels. What is expected on the item itself may not be there in what is added, so it is
/// allowed there. What is forbidden stays on the item: it would forbid our own exceptions as well.
pub(crate) fn copied(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter_map(copy).collect()
}

fn copy(attribute: &Attribute) -> Option<Attribute> {
    let path = attribute.path();
    if path.is_ident("expect")
        && let Meta::List(list) = &attribute.meta
    {
        let lints = &list.tokens;
        return Some(parse_quote!(#[allow(#lints)]));
    }
    let is_level = ["allow", "warn", "deny"]
        .iter()
        .any(|level| path.is_ident(level));
    is_level.then(|| Attribute {
        style: AttrStyle::Outer,
        ..attribute.clone()
    })
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn levels_are_copied_but_for_what_is_forbidden_and_expectations_become_allowances() {
        let attrs: Vec<Attribute> = vec![
            parse_quote!(#[allow(a, reason = "so")]),
            parse_quote!(#[must_use]),
            parse_quote!(#![warn(b)]),
            parse_quote!(#[expect(c::d)]),
            parse_quote!(#[deny(e)]),
            parse_quote!(#[forbid(f)]),
        ];
        let copied = copied(&attrs);
        let expected = quote!(#[allow(a, reason = "so")] #[warn(b)] #[allow(c::d)] #[deny(e)]);
        assert_eq!(quote!(#(#copied)*).to_string(), expected.to_string());
    }
}
