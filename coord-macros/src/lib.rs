//! Attributes.
use proc_macro::TokenStream;
/// key
#[proc_macro]
pub fn key(input: TokenStream) -> TokenStream { input }
/// locked
#[proc_macro_attribute]
pub fn locked(_a: TokenStream, input: TokenStream) -> TokenStream { input }
/// KeyPart
#[proc_macro_derive(KeyPart)]
pub fn key_part(_i: TokenStream) -> TokenStream { TokenStream::new() }
