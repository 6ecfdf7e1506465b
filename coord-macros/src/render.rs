//! Expressions from what the user wrote: the one that renders a key,
//! `Renderer::new("order:<id>").literal("order:").value(…).finish()`, and a borrowed one.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ExprReference, Token};

use crate::paths::Paths;
use crate::template::{Piece, Segment, Template};

/// A block of type `Result<Key, Error>`. `roots` gives, for each segment in turn, the variable or `self`
/// that its first name stands for; a value that cannot be part of a key is reported at its span.
pub(crate) fn render(template: &Template, roots: &[Ident], paths: &Paths) -> TokenStream {
    let (renderer, text) = (paths.renderer(), Literal::string(template.text()));
    let values = template
        .segments()
        .zip(roots)
        .enumerate()
        .map(|(index, (segment, root))| {
            let local = local(index);
            let members =
                segment.members(Span::mixed_site().located_at(template.span(&segment.range)));
            quote_spanned!(Span::mixed_site()=> let #local = &#root #(.#members)*;)
        });
    let calls = calls(template.pieces(), roots);
    quote! {{
        #(#values)*
        #renderer::new(#text) #calls .finish()
    }}
}

/// The calls that append piece after piece.
fn calls(pieces: &[Piece], roots: &[Ident]) -> TokenStream {
    let mut calls = TokenStream::new();
    let mut roots = roots.iter().enumerate();
    for (place, piece) in pieces.iter().enumerate() {
        calls.extend(match piece {
            Piece::Text(text) => quote!(.literal(#text)),
            Piece::Segment(segment) => {
                let (index, root) = roots.next().expect("every segment has a root");
                value(segment, &value_at(index, root), &pieces[place + 1..])
            }
        });
    }
    calls
}

/// The call that appends a value, told what stands between it and the next one.
fn value(segment: &Segment, value: &Ident, behind: &[Piece]) -> TokenStream {
    let name = segment.path();
    match behind {
        [Piece::Segment(_), ..] => quote!(.value_before_value(#name, #value)),
        [Piece::Text(separator), Piece::Segment(_), ..] => {
            quote!(.value(#name, #value, #separator))
        }
        _ => quote!(.value(#name, #value, "")),
    }
}

fn local(index: usize) -> Ident {
    format_ident!("value{index}", span = Span::mixed_site())
}

/// The local of a value, seen from where the value comes from, so that an error about its type points there.
fn value_at(index: usize, root: &Ident) -> Ident {
    Ident::new(
        &local(index).to_string(),
        Span::mixed_site().located_at(root.span()),
    )
}

/// `&expression`, with parentheses where they are needed, seen from where the expression stands.
pub(crate) fn borrowed(expression: &Expr) -> TokenStream {
    let reference = ExprReference {
        attrs: Vec::new(),
        and_token: Token![&](Span::mixed_site().located_at(expression.span())),
        mutability: None,
        expr: Box::new(expression.clone()),
    };
    quote_spanned!(Span::mixed_site()=> #reference)
}
