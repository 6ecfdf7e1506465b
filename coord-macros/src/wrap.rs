//! Putting wrappers around a body: the signature stays, and the body becomes the last argument of a call.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, TraitBound, Type, TypeFnPtr};

use crate::function::{Function, Shape};

/// What one attribute puts around a body.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Statements that stand before everything else, so that whatever borrows from the arguments is over
    /// before anything is awaited.
    pub(crate) setup: TokenStream,
    /// What is called: `locked.run`.
    pub(crate) method: TokenStream,
    /// Its arguments but the last, which is the body, each with its comma: `from_error,`.
    pub(crate) arguments: TokenStream,
    /// The parameter of the closure that starts the body.
    pub(crate) parameter: TokenStream,
    /// Statements that bind names for the body from the parameter.
    pub(crate) bindings: TokenStream,
}

/// The function with `layers` around its body, the first one outermost.
pub(crate) fn wrapped(function: &Function, shape: Shape<'_>, layers: &[Layer]) -> TokenStream {
    let setups = layers.iter().map(|layer| &layer.setup);
    let body = &function.body;
    let future = layers
        .iter()
        .rev()
        .fold(None, |inner: Option<TokenStream>, layer| {
            let inner = inner.map_or_else(
                || innermost(function, shape),
                |future| quote!(#future.await),
            );
            Some(around(layer, &nameable(shape.output()), &inner))
        });
    let Some(future) = future else {
        return item(function, body);
    };
    let result = match shape {
        Shape::Async { .. } => quote!(#future.await),
        Shape::Returning { boxed: true, .. } => quote!(::std::boxed::Box::pin(#future)),
        Shape::Returning { boxed: false, .. } => future,
    };
    item(function, quote!({ #(#setups)* #result }))
}

/// The function without any wrapper, for when the attribute is wrong. `bindings` are the names that the
/// body counts on. Its lints stay quiet: what the attribute would use is not unused.
pub(crate) fn unwrapped(function: &Function, bindings: &TokenStream) -> TokenStream {
    let Some(body) = &function.body else {
        return item(function, quote!(;));
    };
    let plain = item(function, quote!({ #bindings #body }));
    quote!(#[allow(unused)] #plain)
}

fn item(function: &Function, body: impl quote::ToTokens) -> TokenStream {
    let Function {
        attrs,
        visibility,
        signature,
        ..
    } = function;
    quote!(#(#attrs)* #visibility #signature #body)
}

/// One layer's call, with `inner` as the body.
fn around(layer: &Layer, output: &Type, inner: &TokenStream) -> TokenStream {
    let Layer {
        method,
        arguments,
        parameter,
        bindings,
        ..
    } = layer;
    let edge = return_type_edge(output);
    quote_spanned! {Span::mixed_site()=>
        #method(#arguments move |#parameter| async move { #edge #bindings #inner })
    }
}

/// Code that never runs and tells the compiler what the body returns, as the signature of an `async fn`
/// would: without it, `?` and coercions in the body have nothing to go by.
fn return_type_edge(output: &Type) -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[allow(clippy::type_complexity)]
        if let ::core::option::Option::Some(output) = ::core::option::Option::None::<#output> {
            return output;
        }
    }
}

/// The user's body as an expression of its output.
fn innermost(function: &Function, shape: Shape<'_>) -> TokenStream {
    let body = &function.body;
    let Shape::Returning { future, boxed, .. } = shape else {
        return quote!(#body);
    };
    // The body makes a future and may `return` one, so it needs a function of its own.
    let returns = boxed.then(|| {
        let mut future = nameable(future);
        // What the layer binds lives shorter than the lifetimes in the signature.
        ElideLifetimes.visit_type_mut(&mut future);
        quote!(-> #future)
    });
    quote_spanned! {Span::mixed_site()=>
        #[allow(clippy::type_complexity)]
        let start = move || #returns #body;
        start().await
    }
}

/// A return type as it can be written inside the function.
pub(crate) fn nameable(output: &Type) -> Type {
    let mut output = output.clone();
    OpaqueToInferred.visit_type_mut(&mut output);
    output
}

/// `impl Trait` cannot be written inside a function; `_` stands for it there.
struct OpaqueToInferred;

impl VisitMut for OpaqueToInferred {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if matches!(ty, Type::ImplTrait(_)) {
            *ty = syn::parse_quote!(_);
        } else {
            visit_mut::visit_type_mut(self, ty);
        }
    }
}

/// Leaves every lifetime to the compiler, but for those under a `for<…>`.
struct ElideLifetimes;

impl VisitMut for ElideLifetimes {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        *lifetime = Lifetime::new("'_", lifetime.span());
    }

    fn visit_trait_bound_mut(&mut self, bound: &mut TraitBound) {
        if bound.lifetimes.is_none() {
            visit_mut::visit_trait_bound_mut(self, bound);
        }
    }

    fn visit_type_fn_ptr_mut(&mut self, function: &mut TypeFnPtr) {
        if function.lifetimes.is_none() {
            visit_mut::visit_type_fn_ptr_mut(self, function);
        }
    }
}
