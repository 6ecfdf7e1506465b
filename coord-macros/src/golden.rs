//! What the macros expand to, compared with files that are checked in.
//!
//! Each `tests/expand/NAME.rs` is a user's source and `NAME.expanded.rs` what it becomes. After a change that
//! is meant, `COORD_GOLDEN=write cargo test -p coord-macros golden` writes the files anew.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Block, Expr, File, ImplItem, Item, Meta, TraitItem, parse_quote};

use crate::stack::{self, Kind};
use crate::{key, key_part, saga};

#[test]
fn expansions_are_as_checked_in() {
    let sources = sources();
    assert!(!sources.is_empty(), "there is nothing to expand");
    for source in sources {
        check(&source);
    }
}

/// Every source in `tests/expand`.
fn sources() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/expand");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| !path.to_str().unwrap().ends_with(".expanded.rs"))
        .collect()
}

/// Compares the expansion of one source with the file beside it, or writes that file.
fn check(source: &Path) {
    let mut file: File = syn::parse_file(&fs::read_to_string(source).unwrap()).unwrap();
    Expand.visit_file_mut(&mut file);
    let expanded = prettyplease::unparse(&file);
    let golden = source.with_extension("expanded.rs");
    if std::env::var_os("COORD_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&golden, &expanded).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(
        expanded,
        expected,
        "{} expands to something else than {}",
        source.display(),
        golden.display()
    );
}

/// Replaces each use of our macros by what it expands to.
struct Expand;

impl VisitMut for Expand {
    fn visit_file_mut(&mut self, file: &mut File) {
        file.items = file.items.drain(..).flat_map(declared).collect();
        let derived: Vec<Item> = file.items.iter_mut().filter_map(derive).collect();
        file.items.extend(derived);
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mut(&mut self, item: &mut Item) {
        if let Item::Fn(function) = item
            && let Some((kind, args)) = take(&mut function.attrs)
        {
            *item = parse(&stack::expand(kind, args, &item.to_token_stream()));
        }
        visit_mut::visit_item_mut(self, item);
    }

    fn visit_impl_item_mut(&mut self, item: &mut ImplItem) {
        if let ImplItem::Fn(function) = item
            && let Some((kind, args)) = take(&mut function.attrs)
        {
            *item = parse(&stack::expand(kind, args, &item.to_token_stream()));
        }
        visit_mut::visit_impl_item_mut(self, item);
    }

    fn visit_trait_item_mut(&mut self, item: &mut TraitItem) {
        if let TraitItem::Fn(function) = item
            && let Some((kind, args)) = take(&mut function.attrs)
        {
            *item = parse(&stack::expand(kind, args, &item.to_token_stream()));
        }
        visit_mut::visit_trait_item_mut(self, item);
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        if let Expr::Macro(call) = expression
            && call.mac.path.is_ident("key")
        {
            let block: Block = parse(&key::expand(call.mac.tokens.clone()));
            *expression = parse_quote!(#block);
        }
        visit_mut::visit_expr_mut(self, expression);
    }
}

/// Takes the first attribute of ours off, as the compiler does, and returns which it is and its arguments.
fn take(attributes: &mut Vec<Attribute>) -> Option<(Kind, TokenStream)> {
    let place = attributes
        .iter()
        .position(|attribute| Kind::of(attribute.path()).is_some())?;
    let attribute = attributes.remove(place);
    let args = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    Some((Kind::of(attribute.path())?, args))
}

/// What `#[saga]` makes of `item`, if it stands on it.
fn declared(mut item: Item) -> Vec<Item> {
    let attributes = match &mut item {
        Item::Struct(item) => &mut item.attrs,
        Item::Impl(item) => &mut item.attrs,
        _ => return vec![item],
    };
    let found = attributes
        .extract_if(.., |attribute| attribute.path().is_ident("saga"))
        .next();
    let Some(attribute) = found else {
        return vec![item];
    };
    let args = match attribute.meta {
        Meta::List(list) => list.tokens,
        _ => TokenStream::new(),
    };
    parse::<File>(&saga::expand(args, &item.to_token_stream())).items
}

/// The implementation derived for `item`, if it asks for one.
fn derive(item: &mut Item) -> Option<Item> {
    let attributes = match item {
        Item::Struct(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        _ => return None,
    };
    let place = attributes.iter().position(is_derive_of_ours)?;
    attributes.remove(place);
    Some(parse(&key_part::expand(item.to_token_stream())))
}

fn is_derive_of_ours(attribute: &Attribute) -> bool {
    let names = |list: &syn::MetaList| list.tokens.to_string().contains("KeyPart");
    attribute.path().is_ident("derive") && attribute.meta.require_list().is_ok_and(names)
}

#[track_caller]
fn parse<T: syn::parse::Parse>(tokens: &TokenStream) -> T {
    syn::parse2(tokens.clone()).unwrap_or_else(|error| panic!("{error} in {tokens}"))
}
