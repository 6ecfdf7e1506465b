//! The struct of what a saga's steps have put out.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::visit_mut::{self, VisitMut};
use syn::{ExprPath, Type, parse_quote};

use super::model::{Declaration, Declared, Form};
use super::signature;
use crate::function::ungrouped;
use crate::lints;
use crate::paths::Paths;

/// Its name: `PlaceOrderOutputs`.
pub(super) fn name(saga: &Type) -> Ident {
    let saga = match ungrouped(saga) {
        Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    };
    saga.map_or_else(
        || format_ident!("Outputs"),
        |saga| format_ident!("{saga}Outputs"),
    )
}

/// The struct, which shows what of it can be shown. The attribute on the saga gives this name to the outputs of the
/// saga, so the struct itself stands where it is in nobody's way.
pub(super) fn declaration(declared: &Declared) -> TokenStream {
    let (name, saga) = (name(&declared.written.saga), &declared.written.saga);
    let mut steps: Vec<_> = declared
        .steps()
        .into_iter()
        .filter_map(|step| Some((step, output(step, saga)?)))
        .collect();
    // Two methods with one name are reported already.
    steps.dedup_by(|(one, _), (other, _)| one.name() == other.name());
    let stored = || {
        steps
            .iter()
            .filter(|(_, output)| signature::is_owned(output))
    };
    let fields = stored().map(|(step, output)| field(*step, output, &declared.paths));
    let shown = shown(
        &name,
        stored().map(|(step, _)| step.name()),
        &declared.paths,
    );
    quote! {
        #[allow(dead_code, missing_docs, private_interfaces, unreachable_pub)]
        #[non_exhaustive]
        pub struct #name { #(#fields)* }

        #shown
    }
}

/// The field of a step.
fn field(step: Declaration<'_>, output: &Type, paths: &Paths) -> TokenStream {
    // That it is no `Result` is reported already.
    let stored = if signature::is_no_result(output) {
        output.to_token_stream()
    } else {
        paths.success(output)
    };
    let name = step.name();
    let (ty, each) = match step.form() {
        Form::One => (stored, ""),
        Form::Optional => (quote!(::core::option::Option<#stored>), ", if it was run"),
        Form::All => (quote!(::std::vec::Vec<#stored>), ", for each item"),
    };
    let documentation = format!("What `{}` has put out{each}.", name.unraw());
    let lints = lints::copied(&step.method.function.attrs);
    quote!(#(#lints)* #[doc = #documentation] pub #name: #ty,)
}

fn shown<'a>(name: &Ident, fields: impl Iterator<Item = &'a Ident>, paths: &Paths) -> TokenStream {
    let (shown, anyway) = (paths.shown(), paths.shown_anyway());
    let text = name.to_string();
    let fields = fields.map(|field| {
        let name = field.unraw().to_string();
        quote!(.field(#name, #shown(&self.#field).shown()))
    });
    quote! {
        #[automatically_derived]
        impl ::core::fmt::Debug for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #[allow(unused_imports)]
                use #anyway as _;
                f.debug_struct(#text) #(#fields)* .finish()
            }
        }
    }
}

/// What the method of a step returns, as it can be written anywhere.
pub(super) fn output(step: Declaration<'_>, saga: &Type) -> Option<Type> {
    let mut output = step.method.output()?.clone();
    NameSelf(saga).visit_type_mut(&mut output);
    Some(output)
}

/// Puts the saga in the place of `Self`.
struct NameSelf<'a>(&'a Type);

impl VisitMut for NameSelf<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        if let Type::Path(path) = ty
            && path.path.is_ident("Self")
        {
            *ty = self.0.clone();
        }
    }

    fn visit_expr_path_mut(&mut self, expression: &mut ExprPath) {
        visit_mut::visit_expr_path_mut(self, expression);
        let segments = &expression.path.segments;
        if expression.qself.is_none() && segments.len() > 1 && segments[0].ident == "Self" {
            let (saga, rest) = (self.0, segments.iter().skip(1));
            *expression = parse_quote!(<#saga>::#(#rest)::*);
        }
    }
}
