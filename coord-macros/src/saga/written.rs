//! The item that `#[saga]` stands on, as it was written.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{
    AttrStyle, Attribute, Generics, ImplItem, ItemStruct, Path, Token, Type, Visibility, braced,
};

use crate::function::{Function, starts_signature};

/// What `#[saga]` can stand on.
pub(super) enum Written {
    Input(Box<ItemStruct>),
    Steps(Box<Steps>),
}

/// An impl. The bodies of its methods stay the tokens they were.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) attrs: Vec<Attribute>,
    impl_token: Token![impl],
    pub(super) generics: Generics,
    /// The trait, if it is the impl of one.
    pub(super) of_trait: Option<Path>,
    pub(super) saga: Type,
    pub(super) items: Vec<Item>,
}

/// An item of an impl.
#[derive(Debug)]
pub(super) enum Item {
    Method(Box<Function>),
    Other(Box<ImplItem>),
}

impl Parse for Written {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if ahead.peek(Token![struct]) {
            input.parse().map(Box::new).map(Self::Input)
        } else if ahead.peek(Token![impl]) {
            input.parse().map(Box::new).map(Self::Steps)
        } else {
            Err(ahead.error(
                "`#[saga]` goes on the struct that is the saga's input, as `#[saga(\"order:<order_id>\")]`, and \
                 on the impl with its steps",
            ))
        }
    }
}

impl Parse for Steps {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let impl_token = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let first: Type = input.parse()?;
        let (of_trait, saga) = if input.parse::<Option<Token![for]>>()?.is_some() {
            (as_path(first), input.parse()?)
        } else {
            (None, first)
        };
        generics.where_clause = input.parse()?;
        let content;
        braced!(content in input);
        for inner in content.call(Attribute::parse_inner)? {
            // They are written before the impl again.
            attrs.push(Attribute {
                style: AttrStyle::Outer,
                ..inner
            });
        }
        let mut items = Vec::new();
        while !content.is_empty() {
            items.push(content.parse()?);
        }
        Ok(Self {
            attrs,
            impl_token,
            generics,
            of_trait,
            saga,
            items,
        })
    }
}

fn as_path(of_trait: Type) -> Option<Path> {
    match of_trait {
        Type::Path(path) => Some(path.path),
        _ => None,
    }
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if starts_signature(&ahead) {
            input.parse().map(Box::new).map(Self::Method)
        } else {
            input.parse().map(Box::new).map(Self::Other)
        }
    }
}

impl Item {
    pub(super) fn attrs_mut(&mut self) -> Option<&mut Vec<Attribute>> {
        match self {
            Self::Method(function) => Some(&mut function.attrs),
            Self::Other(other) => match &mut **other {
                ImplItem::Const(item) => Some(&mut item.attrs),
                ImplItem::Type(item) => Some(&mut item.attrs),
                ImplItem::Macro(item) => Some(&mut item.attrs),
                _ => None,
            },
        }
    }
}

impl ToTokens for Steps {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            attrs,
            impl_token,
            generics,
            of_trait,
            saga,
            items,
        } = self;
        let of_trait = of_trait.as_ref().map(|of_trait| quote!(#of_trait for));
        let conditions = &generics.where_clause;
        tokens.extend(quote! {
            #(#attrs)* #impl_token #generics #of_trait #saga #conditions { #(#items)* }
        });
    }
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Method(function) => function.to_tokens(tokens),
            Self::Other(item) => item.to_tokens(tokens),
        }
    }
}
