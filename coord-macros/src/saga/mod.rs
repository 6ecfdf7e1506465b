//! `#[saga]`: on the struct that is a saga's input, and on the impl with its steps.
//!
//! `written` reads the item that the attribute stands on. A struct goes to `input`. An impl is taken apart into a
//! `model` with the options of `args`; `check` says what it must fulfil, with the rules about one method in
//! `signature` and what each parameter stands for in `arguments`; `expand` writes it as data, and `outputs` the
//! struct of what its steps put out.

mod args;
mod arguments;
mod check;
mod expand;
mod input;
mod model;
mod outputs;
mod retry;
mod signature;
mod written;

use proc_macro2::TokenStream;
use quote::quote;

use written::Written;

pub(crate) fn expand(args: TokenStream, item: &TokenStream) -> TokenStream {
    match syn::parse2(item.clone()) {
        Ok(Written::Input(item)) => input::expand(args, &item),
        Ok(Written::Steps(item)) => expand::expand(args, *item),
        Err(error) => {
            let error = error.to_compile_error();
            quote!(#item #error)
        }
    }
}
