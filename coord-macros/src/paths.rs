//! Every path that generated code names, and nothing else names one.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::quote;
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
        quote!(<#output as #replayable>::codec)
    }

    /// What a saga is, to whoever executes it.
    pub(crate) fn saga(&self) -> TokenStream {
        self.private("Saga")
    }

    /// What an impl with `#[saga]` says: that there are steps.
    pub(crate) fn saga_steps(&self) -> TokenStream {
        self.private("SagaSteps")
    }

    /// What the struct of a saga says: its key.
    pub(crate) fn saga_key(&self) -> TokenStream {
        self.private("SagaKey")
    }

    pub(crate) fn step(&self) -> TokenStream {
        self.private("Step")
    }

    pub(crate) fn finished(&self) -> TokenStream {
        self.private("Finished")
    }

    /// What a step puts out whose method returns `output`. One that puts out nothing is reported where it is
    /// written.
    pub(crate) fn success(&self, output: &Type) -> TokenStream {
        let success_of = self.private("SuccessOf");
        located(quote!(#success_of<#output>), output.span())
    }

    /// The policy of `retry = "fast"`.
    pub(crate) fn retry_preset(&self, preset: &Ident) -> TokenStream {
        let policy = self.private("RetryPolicy");
        quote!(#policy::#preset())
    }

    /// The function that starts a saga and waits for it.
    pub(crate) fn run_saga(&self) -> TokenStream {
        self.private("run_saga")
    }

    /// The function that starts a saga.
    pub(crate) fn start_saga(&self) -> TokenStream {
        self.private("start_saga")
    }

    pub(crate) fn coordinator(&self) -> TokenStream {
        self.private("Coordinator")
    }

    /// What is had of a `saga` that was started.
    pub(crate) fn saga_handle(&self, saga: &TokenStream) -> TokenStream {
        let handle = self.private("SagaHandle");
        quote!(#handle<#saga>)
    }

    /// `Result<T, SagaError>`
    pub(crate) fn saga_result(&self, success: &TokenStream) -> TokenStream {
        let error = self.private("SagaError");
        quote!(::core::result::Result<#success, #error>)
    }

    /// `Result<T, Error>`
    pub(crate) fn result(&self, success: &TokenStream) -> TokenStream {
        let error = self.private("Error");
        quote!(::core::result::Result<#success, #error>)
    }

    /// What shows a value if it can be shown.
    pub(crate) fn shown(&self) -> TokenStream {
        self.private("Shown")
    }

    /// What has to be in scope for that.
    pub(crate) fn shown_anyway(&self) -> TokenStream {
        self.private("ShownAnyway")
    }

    /// The item that makes a saga known by its name.
    pub(crate) fn registration(&self, saga: &Type) -> TokenStream {
        let (inventory, registered) = (self.private("inventory"), self.private("Registered"));
        quote!(#inventory::submit! { #registered::of::<#saga>() })
    }

    fn private(&self, name: &str) -> TokenStream {
        let root = &self.root;
        let name = Ident::new(name, Span::mixed_site());
        quote!(#root::__private::#name)
    }
}

/// Generated tokens, seen from `place`, so that what the compiler says about them is said there.
pub(crate) fn located(tokens: TokenStream, place: Span) -> TokenStream {
    let located = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            let mut moved = Group::new(group.delimiter(), located(group.stream(), place));
            moved.set_span(group.span().located_at(place));
            return TokenTree::Group(moved);
        }
        token.set_span(token.span().located_at(place));
        token
    };
    tokens.into_iter().map(located).collect()
}
