//! Every path that generated code names, and nothing else names one.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Path, Type, parse_quote_spanned};

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

    pub(crate) fn retried(&self) -> TokenStream {
        self.private("Retried")
    }

    pub(crate) fn retry_site(&self) -> TokenStream {
        self.private("RetrySite")
    }

    pub(crate) fn retry_policy(&self) -> TokenStream {
        self.private("RetryPolicy")
    }

    pub(crate) fn jitter(&self) -> TokenStream {
        self.private("Jitter")
    }

    pub(crate) fn guarded(&self) -> TokenStream {
        self.private("Guarded")
    }

    pub(crate) fn circuit_breaker(&self) -> TokenStream {
        self.private("CircuitBreaker")
    }

    /// The function that says that any error is worth a retry.
    pub(crate) fn always(&self) -> TokenStream {
        self.private("always")
    }

    /// The function that says that no server asked for anything.
    pub(crate) fn never(&self) -> TokenStream {
        self.private("never")
    }

    /// The function that says which errors a breaker counts by default.
    pub(crate) fn is_failure(&self) -> TokenStream {
        self.private("is_failure")
    }

    /// The function that makes an argument to be given to the body once more.
    pub(crate) fn again(&self) -> TokenStream {
        self.private("again")
    }

    /// The function that checks the same of `self`.
    pub(crate) fn self_again(&self) -> TokenStream {
        self.private("self_again")
    }

    /// The function that tells errors of the body from ours, for the layers around it.
    pub(crate) fn raised(&self) -> TokenStream {
        self.private("raised")
    }

    /// The function that makes one of both again, outside of all layers.
    pub(crate) fn settled(&self) -> TokenStream {
        self.private("settled")
    }

    /// What the layers of a stack return in which errors of the body are told from ours.
    pub(crate) fn raised_output(&self, output: &Type) -> Type {
        let raised = self.private("Raised");
        parse_quote_spanned!(output.span()=> ::core::result::Result<_, #raised<_>>)
    }

    /// `Result<Key, Error>`, the type of a rendered key.
    pub(crate) fn rendered(&self) -> TokenStream {
        let (key, error) = (self.private("Key"), self.private("Error"));
        quote!(::core::result::Result<#key, #error>)
    }

    /// The function that turns an error of ours into `output`, which is what the user's function returns. An
    /// output that cannot carry one is reported where it is written.
    pub(crate) fn error_conversion(&self, output: &Type) -> TokenStream {
        self.of_fallible(output, "from_error")
    }

    /// The function that takes `output` as the result that it is, reported as above.
    pub(crate) fn as_result(&self, output: &Type) -> TokenStream {
        self.of_fallible(output, "into_result")
    }

    /// The function that makes `output` of a result again, reported as above.
    pub(crate) fn of_result(&self, output: &Type) -> TokenStream {
        self.of_fallible(output, "from_result")
    }

    fn of_fallible(&self, output: &Type, function: &str) -> TokenStream {
        of_output(output, &self.private("Fallible"), function)
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

    /// What can be the input of a saga.
    pub(crate) fn saga_input(&self) -> TokenStream {
        self.private("SagaInput")
    }

    /// How the input of a saga is stored.
    pub(crate) fn input_codec(&self) -> TokenStream {
        self.private("InputCodec")
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

    /// A type that a step asks the coordinator for.
    pub(crate) fn dependency(&self) -> TokenStream {
        self.private("Dependency")
    }

    /// A function of what a step returns: the one that takes it as a result, or that reads what was put out. What
    /// cannot be stored is reported where it is written.
    pub(crate) fn of_step_result(&self, output: &Type, function: &str) -> TokenStream {
        of_output(output, &self.private("StepResult"), function)
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

    /// A saga as a diagram.
    pub(crate) fn diagram(&self) -> TokenStream {
        self.private("Diagram")
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

    /// Where things are made known to the whole program.
    pub(crate) fn inventory(&self) -> TokenStream {
        self.private("inventory")
    }

    /// The entry of an annotated function.
    pub(crate) fn annotated(&self) -> TokenStream {
        self.private("Annotated")
    }

    /// What kind of annotation it has.
    pub(crate) fn annotated_kind(&self, kind: &Ident) -> TokenStream {
        let kinds = self.private("AnnotatedKind");
        quote!(#kinds::#kind)
    }

    /// The item that makes a saga known by its name.
    pub(crate) fn registration(&self, saga: &Type) -> TokenStream {
        let (inventory, registered) = (self.inventory(), self.private("Registered"));
        quote!(#inventory::submit! { #registered::of::<#saga>() })
    }

    fn private(&self, name: &str) -> TokenStream {
        let root = &self.root;
        let name = Ident::new(name, Span::mixed_site());
        quote!(#root::__private::#name)
    }
}

/// A function of a trait that outputs have. What is wrong with an output is told of it, and where the function is taken
/// as a value, of the whole path; so that both are one, the path begins and ends as the output.
fn of_output(output: &Type, of_trait: &TokenStream, function: &str) -> TokenStream {
    let (start, end) = ends(output);
    let function = Ident::new(function, end);
    let (open, close) = (
        quote_spanned!(start=> <),
        quote_spanned!(end=> >::#function),
    );
    quote!(#open #output as #of_trait #close)
}

/// Where a type begins and ends.
pub(crate) fn ends(ty: &Type) -> (Span, Span) {
    let mut tokens = ty.to_token_stream().into_iter().map(|token| token.span());
    let first = tokens.next().unwrap_or_else(Span::call_site);
    (first, tokens.last().unwrap_or(first))
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
