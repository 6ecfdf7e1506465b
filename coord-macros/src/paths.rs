//! Every path that generated code names, and nothing else names one.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Path, Type};

/// Paths into the runtime crate, wherever the user has it.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    root: TokenStream,
}

impl Paths {
    /// The runtime crate as `crate = path` gives it, `::coord` by default.
    pub(crate) fn new(root: Option<&Path>) -> Self {
        Self {
            root: root.map_or_else(|| quote!(::coord), |path| quote!(#path)),
        }
    }

    pub(crate) fn locked(&self) -> TokenStream {
        self.private("Locked")
    }

    pub(crate) fn lease(&self) -> TokenStream {
        self.private("Lease")
    }

    pub(crate) fn idempotent(&self) -> TokenStream {
        self.private("Idempotent")
    }

    pub(crate) fn idempotency_context(&self) -> TokenStream {
        self.private("IdempotencyContext")
    }

    pub(crate) fn renderer(&self) -> TokenStream {
        self.private("Renderer")
    }

    pub(crate) fn key_part(&self) -> TokenStream {
        self.private("KeyPart")
    }

    pub(crate) fn key_writer(&self) -> TokenStream {
        self.private("KeyWriter")
    }

    /// `Result<Key, Error>`, the type of a rendered key.
    pub(crate) fn rendered(&self) -> TokenStream {
        let (key, error) = (self.private("Key"), self.private("Error"));
        quote!(::core::result::Result<#key, #error>)
    }

    /// The function that turns an error of ours into `output`, which is what the user's function returns. An
    /// output that cannot carry one is reported where it is written.
    pub(crate) fn error_conversion(&self, output: &Type) -> TokenStream {
        let fallible = self.private("Fallible");
        quote!(<#output as #fallible>::from_error)
    }

    /// The function that makes the `output` of a call that is skipped, reported as above.
    pub(crate) fn skipped_value(&self, output: &Type) -> TokenStream {
        let skippable = self.private("Skippable");
        quote!(<#output as #skippable>::skipped)
    }

    /// The function that tells how `output` is stored and read again, reported as above.
    pub(crate) fn codec(&self, output: &Type, with_errors: bool) -> TokenStream {
        let replayable = self.private(if with_errors {
            "ReplayableWithErrors"
        } else {
            "Replayable"
        });
        // A lifetime that does not fit is reported at the whole path.
        quote_spanned!(output.span()=> <#output as #replayable>::codec)
    }

    fn private(&self, name: &str) -> TokenStream {
        let root = &self.root;
        let name = Ident::new(name, Span::mixed_site());
        quote!(#root::__private::#name)
    }
}
