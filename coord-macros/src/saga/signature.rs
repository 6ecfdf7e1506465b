//! What the methods that a saga calls must be.
//!
//! A step, and what undoes one, each rule a function below:
//!
//! 1. It takes `&self`.
//! 2. It is asynchronous, and returns something.
//! 3. Nothing about it is left open: it has no parameters of types.
//! 4. What it returns is a `Result`, is owned, and has a name.
//!
//! What `when` names takes `&self` too, has no parameters of types, and returns a `bool` at once.

use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{
    FnArg, GenericParam, Lifetime, Receiver, ReceiverKind, ReturnType, Safety, Type, TypeImplTrait,
    TypeReference,
};

use super::model::Method;
use crate::diagnose::Mistakes;
use crate::function::ungrouped;

/// Types of the language and of its standard library that stand alone most often where a `Result` is missing.
const NO_RESULTS: [&str; 18] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32",
    "u64", "u128", "usize", "Option", "String",
];

/// Checks a step or a compensation, whichever `what` says.
pub(super) fn check_run(method: &Method, what: &str, mistakes: &mut Mistakes) {
    check_self(method, what, mistakes);
    check_closed(method, what, mistakes);
    check_async(method, what, mistakes);
    check_output(method, what, mistakes);
}

/// Checks what `when` names.
pub(super) fn check_condition(method: &Method, mistakes: &mut Mistakes) {
    check_self(method, "condition", mistakes);
    check_closed(method, "condition", mistakes);
    let (signature, name) = (&method.function.signature, method.name());
    if let Some(asyncness) = &signature.asyncness {
        mistakes.under(
            asyncness,
            format!(
                "a condition is answered at once, from the saga and from outputs: write `fn {name}(&self) -> bool`, \
                 and ask others in a step before it"
            ),
        );
        return;
    }
    let is_bool =
        |ty: &Type| matches!(ungrouped(ty), Type::Path(path) if path.path.is_ident("bool"));
    match &signature.output {
        ReturnType::Type(_, ty) if is_bool(ty) => {}
        ReturnType::Type(_, ty) => {
            mistakes.under(
                ty,
                "a condition says whether the step is run: return `bool`",
            );
        }
        ReturnType::Default => mistakes.under(
            name,
            format!("a condition says whether the step is run: write `fn {name}(&self) -> bool`"),
        ),
    }
}

fn check_self(method: &Method, what: &str, mistakes: &mut Mistakes) {
    match method.function.signature.inputs.first() {
        Some(FnArg::Receiver(Receiver {
            kind: ReceiverKind::Reference(_, _, None),
            ..
        })) => {}
        Some(FnArg::Receiver(receiver)) => mistakes.under(
            receiver,
            format!("a {what} reads the saga, and others do so too: take `&self`"),
        ),
        Some(FnArg::Typed(_)) | None => mistakes.under(
            method.name(),
            format!(
                "a {what} is a method of the saga: take `&self`, as in `{}(&self, …)`",
                method.name()
            ),
        ),
    }
}

fn check_closed(method: &Method, what: &str, mistakes: &mut Mistakes) {
    let signature = &method.function.signature;
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            mistakes.under(
                parameter,
                format!("nothing says what this is when the saga calls the {what}: write a type in its place"),
            );
        }
    }
    let mut opaque = Opaque(Vec::new());
    for input in &signature.inputs {
        opaque.visit_fn_arg(input);
    }
    for ty in opaque.0 {
        mistakes.under(
            ty,
            format!("nothing says what this is when the saga calls the {what}: write a type in its place"),
        );
    }
}

fn check_async(method: &Method, what: &str, mistakes: &mut Mistakes) {
    let (signature, name) = (&method.function.signature, method.name());
    if matches!(signature.safety, Safety::Unsafe(_))
        || signature.abi.is_some()
        || signature.constness.is_some()
    {
        mistakes.at(
            signature.fn_token.span(),
            format!("a {what} is called by the saga, which makes no promises for it: write `async fn {name}`"),
        );
    } else if signature.asyncness.is_some() && matches!(signature.output, ReturnType::Default) {
        mistakes.under(
            name,
            format!("a {what} says whether it succeeded: return a `Result`, `Result<(), E>` if there is nothing to keep"),
        );
    } else if method.output().is_none() && method.function.body.is_some() {
        mistakes.at(
            signature.fn_token.span(),
            format!("a {what} is asynchronous: write `async fn {name}`"),
        );
    }
}

fn check_output(method: &Method, what: &str, mistakes: &mut Mistakes) {
    let Some(output) = method.output() else {
        return;
    };
    if is_no_result(output) {
        mistakes.under(
            output,
            format!("a {what} says whether it succeeded: return `Result<T, E>`, with this for `T`"),
        );
        return;
    }
    let mut opaque = Opaque(Vec::new());
    opaque.visit_type(output);
    for ty in opaque.0 {
        mistakes.under(
            ty,
            format!("what a {what} returns is stored and read again, so it needs a name: write the type itself"),
        );
    }
    let mut borrowed = Borrowed(None);
    borrowed.visit_type(output);
    if let Some(span) = borrowed.0 {
        mistakes.at(
            span,
            format!(
                "what a {what} returns is stored, so it cannot borrow: own it, with `String` for `&str` and `Vec<T>` \
                 for `&[T]`"
            ),
        );
    }
}

/// Whether a type is surely no `Result`. The compiler would say so wherever it stands in what is generated.
pub(super) fn is_no_result(output: &Type) -> bool {
    match ungrouped(output) {
        Type::Array(_) | Type::Never(_) | Type::Tuple(_) => true,
        Type::Path(path) => {
            let last = path.path.segments.last();
            last.is_some_and(|last| NO_RESULTS.iter().any(|name| last.ident == name))
        }
        _ => false,
    }
}

/// Whether a type can stand in a struct of its own.
pub(super) fn is_owned(output: &Type) -> bool {
    let (mut opaque, mut borrowed) = (Opaque(Vec::new()), Borrowed(None));
    opaque.visit_type(output);
    borrowed.visit_type(output);
    opaque.0.is_empty() && borrowed.0.is_none()
}

/// Finds `impl Trait`.
struct Opaque<'a>(Vec<&'a TypeImplTrait>);

impl<'a> Visit<'a> for Opaque<'a> {
    fn visit_type_impl_trait(&mut self, ty: &'a TypeImplTrait) {
        self.0.push(ty);
    }
}

/// Finds the first type that borrows for less than `'static`.
struct Borrowed(Option<proc_macro2::Span>);

impl Visit<'_> for Borrowed {
    fn visit_type_reference(&mut self, ty: &TypeReference) {
        if ty.lifetime.is_none() {
            self.0.get_or_insert_with(|| ty.and_token.span());
        }
        visit::visit_type_reference(self, ty);
    }

    fn visit_lifetime(&mut self, lifetime: &Lifetime) {
        if lifetime.ident.unraw() != "static" {
            self.0.get_or_insert_with(|| lifetime.span());
        }
    }
}
