//! The function that an attribute stands on: its parts, the names that its signature binds, and the way
//! in which it is asynchronous.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::visit::Visit;
use syn::{
    AttrStyle, Attribute, FnArg, GenericArgument, PatIdent, PatType, PathArguments, ReturnType,
    Signature, Token, Type, TypeParamBound, Visibility,
};

/// A function as it was written. Its body stays the tokens it was.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// `None` for a trait method without one.
    pub(crate) body: Option<Group>,
}

/// How a function is asynchronous.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape<'a> {
    /// `async fn`
    Async {
        /// What it returns.
        output: &'a Type,
    },
    /// A `fn` that returns a future.
    Returning {
        /// What the future resolves to.
        output: &'a Type,
        /// The return type as it stands.
        future: &'a Type,
        /// Whether the future has to be boxed and pinned.
        boxed: bool,
    },
}

impl<'a> Shape<'a> {
    /// What the function gives in the end.
    pub(crate) fn output(self) -> &'a Type {
        match self {
            Self::Async { output } | Self::Returning { output, .. } => output,
        }
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        if !starts_signature(input) {
            return Err(input.error("this attribute goes on an `async fn`"));
        }
        let signature = input.parse()?;
        if input.parse::<Option<Token![;]>>()?.is_some() {
            return Ok(Self {
                attrs,
                visibility,
                signature,
                body: None,
            });
        }
        let body =
            braced(input.parse()?).ok_or_else(|| input.error("expected a body in braces"))?;
        let (inner, body) = split_body(&body)?;
        attrs.extend(inner);
        Ok(Self {
            attrs,
            visibility,
            signature,
            body: Some(body),
        })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            attrs,
            visibility,
            signature,
            body,
        } = self;
        tokens.extend(quote!(#(#attrs)* #visibility #signature));
        match body {
            Some(body) => body.to_tokens(tokens),
            None => tokens.extend(quote!(;)),
        }
    }
}

/// Whether what comes is a function, behind its attributes and visibility.
pub(crate) fn starts_signature(input: ParseStream<'_>) -> bool {
    input.peek(Token![fn])
        || input.peek(Token![const]) && !input.peek2(syn::Ident)
        || input.peek(Token![async])
        || input.peek(Token![unsafe])
        || input.peek(Token![extern])
}

/// A body. What a `macro_rules!` macro took as a `:block` comes in invisible delimiters.
fn braced(body: TokenTree) -> Option<Group> {
    match body {
        TokenTree::Group(group) => match group.delimiter() {
            Delimiter::Brace => Some(group),
            Delimiter::None => braced(group.stream().into_iter().next()?),
            _ => None,
        },
        _ => None,
    }
}

/// Takes the attributes (`#![…]`) out of a body, where they could not stay once something stands before them.
fn split_body(body: &Group) -> syn::Result<(Vec<Attribute>, Group)> {
    let split = |input: ParseStream<'_>| {
        Ok((
            input.call(Attribute::parse_inner)?,
            input.parse::<TokenStream>()?,
        ))
    };
    let (mut attrs, rest) = split.parse2(body.stream())?;
    for attr in &mut attrs {
        attr.style = AttrStyle::Outer;
    }
    let mut body_left = Group::new(body.delimiter(), rest);
    body_left.set_span(body.span());
    Ok((attrs, body_left))
}

impl Function {
    /// How the function is asynchronous, or why it cannot be wrapped by the attribute called `attribute`.
    pub(crate) fn shape(&self, attribute: &str) -> syn::Result<Shape<'_>> {
        let signature = &self.signature;
        let refuse = |message: String| Err(syn::Error::new(signature.fn_token.span, message));
        if self.body.is_none() {
            return Err(syn::Error::new_spanned(
                &signature.ident,
                format!(
                    "there is no body to wrap: put `#[{attribute}]` on the method in each `impl`, or give \
                     this one a body"
                ),
            ));
        }
        if signature.constness.is_some() {
            return refuse(format!(
                "a `const fn` cannot wait for anything, so it cannot be `#[{attribute}]`"
            ));
        }
        if signature.abi.is_some() {
            return refuse(format!(
                "an `extern fn` cannot be `#[{attribute}]`; call an `async fn` from it"
            ));
        }
        let needs_async = || {
            refuse(format!(
                "`#[{attribute}]` needs an `async fn`, or one that returns `impl Future<Output = …>`, \
                 `Pin<Box<dyn Future<Output = …>>>` or `BoxFuture<…>`: write `async fn {}`\n\
                 if it is written so, an attribute above this one has made it synchronous: put this one above that",
                signature.ident
            ))
        };
        match (&signature.output, signature.asyncness) {
            (ReturnType::Type(_, output), Some(_)) => Ok(Shape::Async { output }),
            (ReturnType::Default, Some(_)) => Err(syn::Error::new_spanned(
                &signature.ident,
                format!(
                    "`#[{attribute}]` needs a way to say that it failed: return `Result<(), E>`, where \
                     `E` implements `From<coord::Error>`"
                ),
            )),
            (ReturnType::Type(_, future), None) => returning(future).map_or_else(needs_async, Ok),
            (ReturnType::Default, None) => needs_async(),
        }
    }

    /// What the signature binds, in the order written, `self` and what is inside patterns included.
    pub(crate) fn bindings(&self) -> Vec<Binding> {
        let mut bindings = Bindings::default();
        for argument in &self.signature.inputs {
            match argument {
                FnArg::Receiver(receiver) => {
                    let itself = Ident::new("self", receiver.self_token.span);
                    bindings.found.push(Binding::of(itself));
                }
                FnArg::Typed(argument) => bindings.visit_pat_type(argument),
            }
        }
        bindings.found
    }
}

/// A name that a signature binds.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) name: Ident,
    pub(crate) mutability: Option<Token![mut]>,
    /// The `#[cfg(…)]` of the argument. What is made of the name is there only if the argument is.
    pub(crate) cfg: Vec<Attribute>,
}

impl Binding {
    pub(crate) fn of(name: Ident) -> Self {
        Self {
            name,
            mutability: None,
            cfg: Vec::new(),
        }
    }
}

#[derive(Default)]
struct Bindings {
    found: Vec<Binding>,
    /// Of the argument that is being visited.
    cfg: Vec<Attribute>,
}

impl Visit<'_> for Bindings {
    fn visit_pat_type(&mut self, argument: &PatType) {
        let attrs = argument.attrs.iter();
        self.cfg = attrs
            .filter(|attribute| attribute.path().is_ident("cfg"))
            .cloned()
            .collect();
        self.visit_pat(&argument.pat);
    }

    fn visit_pat_ident(&mut self, binding: &PatIdent) {
        self.found.push(Binding {
            name: binding.ident.clone(),
            // `ref mut` says what the reference is to, not that the binding changes.
            mutability: binding.mutability.filter(|_| binding.by_ref.is_none()),
            cfg: self.cfg.clone(),
        });
        syn::visit::visit_pat_ident(self, binding);
    }
}

fn returning(future: &Type) -> Option<Shape<'_>> {
    let boxed = !matches!(ungrouped(future), Type::ImplTrait(_));
    Some(Shape::Returning {
        output: future_output(future)?,
        future,
        boxed,
    })
}

/// What a type that is visibly a future resolves to.
fn future_output(ty: &Type) -> Option<&Type> {
    match ungrouped(ty) {
        Type::ImplTrait(opaque) => opaque.bounds.iter().find_map(bound_output),
        Type::TraitObject(object) => object.bounds.iter().find_map(bound_output),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let argument = type_arguments(&last.arguments).next_back()?;
            match last.ident.to_string().as_str() {
                "Pin" | "Box" => future_output(argument),
                "BoxFuture" | "LocalBoxFuture" => Some(argument),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `T` of a bound `Future<Output = T>`.
fn bound_output(bound: &TypeParamBound) -> Option<&Type> {
    let TypeParamBound::Trait(bound) = bound else {
        return None;
    };
    let last = bound
        .path
        .segments
        .last()
        .filter(|last| last.ident == "Future")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
        _ => None,
    })
}

/// The types among the arguments of a path's segment.
pub(crate) fn type_arguments(arguments: &PathArguments) -> impl DoubleEndedIterator<Item = &Type> {
    let arguments = match arguments {
        PathArguments::AngleBracketed(arguments) => Some(arguments.args.iter()),
        _ => None,
    };
    arguments
        .into_iter()
        .flatten()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
}

/// `ty` without parentheses and the invisible delimiters of `macro_rules!`.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        ty => ty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(text: &str) -> Function {
        syn::parse_str(text).unwrap()
    }

    fn output_of(text: &str) -> String {
        match function(text).shape("locked") {
            Ok(shape) => shape.output().to_token_stream().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn finds_the_output_of_every_shape() {
        for text in [
            "async fn f() -> R {}",
            "fn f() -> impl Future<Output = R> + Send {}",
            "fn f<'a>() -> impl 'a + Send + core::future::Future<Output = R> {}",
            "fn f() -> Pin<Box<dyn Future<Output = R> + Send + '_>> {}",
            "fn f() -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = R> + 'async_trait>> {}",
            "fn f() -> Pin<Box<impl Future<Output = R>>> {}",
            "fn f() -> BoxFuture<'_, R> {}",
            "fn f() -> futures::future::LocalBoxFuture<'static, R> {}",
        ] {
            assert_eq!(output_of(text), "R", "{text}");
        }
    }

    #[test]
    fn refuses_what_cannot_wait() {
        for (text, part) in [
            ("fn f() -> R {}", "write `async fn f`"),
            ("fn f() {}", "write `async fn f`"),
            ("fn f() -> Pin<Box<u8>> {}", "write `async fn f`"),
            ("const fn f() -> R {}", "`const fn`"),
            ("extern \"C\" fn f() -> R {}", "`extern fn`"),
            ("async fn f() {}", "return `Result<(), E>`"),
        ] {
            let error = output_of(text);
            assert!(error.contains(part), "{text} gives {error}");
        }
    }

    #[test]
    fn finds_the_names_inside_patterns() {
        let function = function(
            "async fn f(&self, mut a: A, (b, _): B, C { d, e: [f, .., g @ 1] }: C, _: D, &h: &H) {}",
        );
        let names: Vec<_> = function
            .bindings()
            .iter()
            .map(|binding| binding.name.to_string())
            .collect();
        assert_eq!(names, ["self", "a", "b", "d", "f", "g", "h"]);
    }

    #[test]
    fn inner_attributes_move_out_of_the_body() {
        let function = function("async fn f() { #![allow(dead_code)] fn g() {} }");
        assert!(matches!(function.attrs[0].style, AttrStyle::Outer));
        assert!(!function.body.unwrap().to_string().contains("allow"));
    }

    #[test]
    fn refuses_what_is_no_function() {
        for text in ["struct S;", "impl S {}", "const C: u8 = 0;", "mod m {}"] {
            let error = syn::parse_str::<Function>(text).unwrap_err();
            assert_eq!(
                error.to_string(),
                "this attribute goes on an `async fn`",
                "{text}"
            );
        }
    }
}
