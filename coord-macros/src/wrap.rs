//! Putting wrappers around a body: the signature stays, and the body becomes the last argument of a call.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, PatIdent, Receiver, ReceiverKind, TraitBound, Type, TypeFnPtr};

use crate::function::{Binding, Function, Shape};
use crate::paths::Paths;

/// What one attribute puts around a body.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Statements that stand before everything else, so that whatever borrows from the arguments is over
    /// before anything is awaited.
    pub(crate) setup: TokenStream,
    /// The local that the setup binds, which has to be `Clone` if a layer further out calls several times.
    pub(crate) local: Ident,
    /// How often the layer starts what is inside of it.
    pub(crate) calls: Calls,
    /// What is called: `locked.run`.
    pub(crate) method: TokenStream,
    /// Its arguments but the last, which is the body, each with its comma: `from_error,`.
    pub(crate) arguments: TokenStream,
    /// Those of them that are the user's own and may be closures, which borrow what they use of the function's.
    pub(crate) asked: TokenStream,
    /// The parameter of the closure that starts the body.
    pub(crate) parameter: TokenStream,
    /// Statements that bind names for the body from the parameter.
    pub(crate) bindings: TokenStream,
}

/// How often a layer starts what is inside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Once at most.
    Once,
    /// Any number of times, so that what is inside gets clones of the arguments and of the layers' locals.
    Again,
}

/// The function with `layers` around its body, the first one outermost. With `raising`, the layers are told
/// which errors are the body's and which are ours.
pub(crate) fn wrapped(
    function: &Function,
    shape: Shape<'_>,
    layers: &[Layer],
    raising: Option<&Paths>,
) -> TokenStream {
    let setups = layers.iter().map(|layer| &layer.setup);
    let body = &function.body;
    let output = nameable(shape.output());
    let edge = return_type_edge(&output);
    let innermost = innermost(function, shape);
    // The edge stands in the block that the body may return from.
    let (edge, inner) = match raising {
        None => (edge, innermost),
        Some(paths) => {
            let (raised, into_result) = (paths.raised(), paths.as_result(&output));
            let body = quote_spanned!(Span::mixed_site()=> async move { #edge #innermost });
            (
                TokenStream::new(),
                quote!(#raised(#into_result, #body.await)),
            )
        }
    };
    let mut future = None;
    for (index, layer) in layers.iter().enumerate().rev() {
        let inner = future.map_or_else(|| inner.clone(), |future| quote!(#future.await));
        let again = match layer.calls {
            Calls::Once => None,
            Calls::Again => Some(clones(function, &layers[index + 1..], raising)),
        };
        let moved = (!is_lent(function, layer)).then(|| quote!(move));
        future = Some(around(layer, &edge, again.as_ref(), (moved, &inner)));
    }
    let Some(future) = future else {
        return item(function, body);
    };
    let mut function = function.clone();
    if layers.iter().any(|layer| layer.calls == Calls::Again) {
        WithoutMut.visit_signature_mut(&mut function.signature);
    }
    let settled = raising.map(|paths| {
        let (settled, from_error) = (paths.settled(), paths.error_conversion(&output));
        let from_result = paths.of_result(&output);
        quote!(#settled(#from_error, #from_result, #future.await))
    });
    let result = match (shape, settled) {
        (Shape::Async { .. }, None) => quote!(#future.await),
        (Shape::Async { .. }, Some(settled)) => settled,
        (Shape::Returning { boxed, .. }, settled) => {
            let future = settled.map_or(future, |settled| quote!(async move { #settled }));
            if boxed {
                quote!(::std::boxed::Box::pin(#future))
            } else {
                future
            }
        }
    };
    item(&function, quote!({ #(#setups)* #result }))
}

/// Statements that give the body its arguments, and the layers `inside` their locals, once more.
fn clones(function: &Function, inside: &[Layer], paths: Option<&Paths>) -> TokenStream {
    let arguments = paths.map(|paths| {
        let argument = |binding: Binding| {
            let (again, name) = (paths.again(), &binding.name);
            let (cfg, mutability) = (&binding.cfg, binding.mutability);
            let value = quote_spanned!(Span::mixed_site().located_at(name.span())=> #again(&#name));
            quote! {
                #(#cfg)*
                #[allow(unused_variables, clippy::used_underscore_binding, clippy::no_effect_underscore_binding)]
                let #mutability #name = #value;
            }
        };
        let owned = |receiver: &&Receiver| !matches!(receiver.kind, ReceiverKind::Reference(..));
        let receiver = function.signature.receiver().filter(owned).map(|receiver| {
            let (place, check) = (receiver.self_token, paths.self_again());
            quote_spanned!(Span::mixed_site().located_at(place.span)=> #check(&#place);)
        });
        let arguments = function.bindings().into_iter();
        let arguments = arguments.filter(|binding| binding.name != "self").map(argument);
        quote!(#receiver #(#arguments)*)
    });
    let locals = inside.iter().map(|layer| &layer.local);
    quote! {
        #arguments
        #(let #locals = ::core::clone::Clone::clone(&#locals);)*
    }
}

/// Whether the layer borrows what the body is given clones of, so that what starts the body cannot own it. Where it does
/// not, it is owned: what is borrowed across an await has to be `Sync`. `self` is copied in any case.
fn is_lent(function: &Function, layer: &Layer) -> bool {
    let mut arguments = function.bindings().into_iter();
    layer.calls == Calls::Again
        && arguments.any(|argument| argument.name != "self" && names(&layer.asked, &argument.name))
}

fn names(tokens: &TokenStream, name: &Ident) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => names(&group.stream(), name),
        _ => false,
    })
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

/// One layer's call, with `inner` as the body, started by a closure that is `moved` or not. `again` are the statements
/// before each start of it.
fn around(
    layer: &Layer,
    edge: &TokenStream,
    again: Option<&TokenStream>,
    (moved, inner): (Option<TokenStream>, &TokenStream),
) -> TokenStream {
    let Layer {
        method,
        arguments,
        parameter,
        bindings,
        ..
    } = layer;
    let body = quote_spanned!(Span::mixed_site()=> async move { #edge #bindings #inner });
    let start = match again {
        None => body,
        Some(again) => quote!({ #again #body }),
    };
    quote_spanned! {Span::mixed_site()=>
        #method(#arguments #moved |#parameter| #start)
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
        let inside = body.clone().map(|mut body| {
            // Around a body of one line, braces of the user's own would be called unnecessary.
            body.set_span(Span::mixed_site().located_at(body.span()));
            body
        });
        return quote!(#inside);
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

/// Takes the `mut` off arguments: what may change is the clone that an attempt gets.
struct WithoutMut;

impl VisitMut for WithoutMut {
    fn visit_pat_ident_mut(&mut self, binding: &mut PatIdent) {
        if binding.by_ref.is_none() {
            binding.mutability = None;
        }
        visit_mut::visit_pat_ident_mut(self, binding);
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
