//! `#[derive(KeyPart)]` for newtypes and for enums without fields.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Data, DataEnum, DeriveInput, Field, Fields, Generics, Member, parse_quote};

use crate::args::{self, KeyPartArgs};
use crate::diagnose::Mistakes;
use crate::paths::Paths;

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::new();
    let Some(input) = mistakes.catch(syn::parse2::<DeriveInput>(input)) else {
        return mistakes.finish().unwrap_or_default();
    };
    let options = input
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("key_part"));
    let args: Vec<KeyPartArgs> = options
        .map(|attribute| args::read_attribute(attribute, &mut mistakes))
        .collect();
    let paths = Paths::new(
        args.iter()
            .find_map(|args| args.path.as_ref())
            .map(|path| &path.0),
    );
    let body = match &input.data {
        Data::Struct(data) => newtype(&input.ident, &data.fields, &paths, &mut mistakes),
        Data::Enum(data) => variants(&input.ident, data, &mut mistakes),
        Data::Union(data) => {
            mistakes.under(
                data.union_token,
                "a union cannot be part of a key: it does not know which field it holds",
            );
            TokenStream::new()
        }
    };
    // The trait is implemented even so, or its absence would be reported wherever the type is used.
    let errors = mistakes.finish();
    let body = if errors.is_some() {
        quote!(loop {})
    } else {
        body
    };
    let implementation = implementation(&input.ident, input.generics, &body, &paths);
    quote!(#errors #implementation)
}

fn implementation(
    name: &Ident,
    generics: Generics,
    body: &TokenStream,
    paths: &Paths,
) -> TokenStream {
    let (key_part, writer, key) = (paths.key_part(), paths.key_writer(), writer());
    let generics = bounded(generics, paths);
    let (parameters, arguments, conditions) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #parameters #key_part for #name #arguments #conditions {
            fn write_key(&self, #key: &mut #writer<'_>) {
                #body
            }
        }
    }
}

/// `generics` with `KeyPart` asked of every type parameter.
fn bounded(mut generics: Generics, paths: &Paths) -> Generics {
    let key_part = paths.key_part();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(#key_part));
    }
    generics
}

/// Writes the only field.
fn newtype(name: &Ident, fields: &Fields, paths: &Paths, mistakes: &mut Mistakes) -> TokenStream {
    let mut all = fields.iter();
    let (Some(field), None) = (all.next(), all.next()) else {
        mistakes.at(place(name, fields), only_newtypes(fields.len()));
        return TokenStream::new();
    };
    let (key_part, key, member) = (paths.key_part(), writer(), member(field));
    let local = Ident::new("value", Span::mixed_site());
    // A field that cannot be part of a key is reported at its type.
    let value = Ident::new("value", Span::mixed_site().located_at(field.ty.span()));
    quote! {
        let #local = &self.#member;
        #key_part::write_key(#value, #key);
    }
}

fn member(field: &Field) -> Member {
    field
        .ident
        .clone()
        .map_or_else(|| Member::Unnamed(0.into()), Member::Named)
}

fn place(name: &Ident, fields: &Fields) -> Span {
    fields
        .iter()
        .nth(1)
        .map_or_else(|| name.span(), |second| second.ty.span())
}

fn only_newtypes(fields: usize) -> String {
    format!(
        "`KeyPart` is derived for a struct with one field, and this one has {fields}; write the fields \
         as segments of the template, `<order.region>:<order.id>`, or implement `KeyPart` by hand"
    )
}

/// Writes the name of the variant.
fn variants(name: &Ident, data: &DataEnum, mistakes: &mut Mistakes) -> TokenStream {
    if data.variants.is_empty() {
        mistakes.under(
            name,
            "an enum without variants has no value that could be part of a key",
        );
    }
    for variant in data
        .variants
        .iter()
        .filter(|variant| !variant.fields.is_empty())
    {
        mistakes.under(
            &variant.fields,
            format!(
                "`KeyPart` is derived for enums without fields, and `{}` has some; implement `KeyPart` by hand",
                variant.ident
            ),
        );
    }
    let key = writer();
    let arms = data.variants.iter().map(|variant| {
        let (ident, text) = (&variant.ident, variant.ident.unraw().to_string());
        quote!(Self::#ident { .. } => #text,)
    });
    quote!(#key.write_str(match self { #(#arms)* });)
}

/// The argument of `write_key`.
fn writer() -> Ident {
    Ident::new("key", Span::mixed_site())
}
