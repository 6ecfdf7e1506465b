//! An impl with `#[saga]` as data: each step with the calls of its methods, and the saga's place in the registry.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::{Attribute, LitStr, Type};

use super::args::FieldArg;
use super::arguments::Argument;
use super::check::{Called, Step, check};
use super::model::{Declaration, Declared, Form};
use super::outputs;
use super::written::Steps;
use crate::diagnose::Mistakes;
use crate::function::ungrouped;
use crate::lints;
use crate::paths::{ends, located};
use crate::policy_args::FunctionArg;
use crate::registered::{self, Entry};

pub(super) fn expand(args: TokenStream, item: Steps) -> TokenStream {
    let mut mistakes = Mistakes::new();
    let options = registered::options(&args);
    let declared = Declared::read(args, item, &mut mistakes);
    let steps = check(&declared, &mut mistakes);
    let written = &declared.written;
    if let Some(errors) = mistakes.finish() {
        let nothing = quote!(loop {});
        let implementation = implementation(&declared, &nothing, &nothing);
        return quote! {
            #[allow(unused)]
            #written
            const _: () = { #implementation };
            #errors
        };
    }
    let all = steps.iter().map(|step| step_data(&declared, step));
    let implementation = implementation(
        &declared,
        // Not even the prelude is sure to be there.
        &quote!(::core::convert::From::from([#(#all),*])),
        &all_outputs(&declared),
    );
    let registration = declared.paths.registration(&written.saga);
    let known = known(&declared, &options);
    let lints = lints::copied(&written.attrs);
    quote! {
        #written
        #(#lints)*
        const _: () = { #implementation #registration #known };
    }
}

/// The trait that says what the saga is, with the struct of its outputs. It is there whatever is wrong, or its
/// absence would be reported wherever the saga is used.
fn implementation(declared: &Declared, steps: &TokenStream, outputs: &TokenStream) -> TokenStream {
    let (paths, saga) = (&declared.paths, &declared.written.saga);
    let place = spans(saga).0;
    let is_a_type =
        matches!(ungrouped(saga), Type::Path(_)) && declared.written.generics.params.is_empty();
    if declared.written.of_trait.is_some() || !is_a_type {
        return TokenStream::new();
    }
    let (declaration, of_outputs) = (outputs::declaration(declared), outputs::name(saga));
    let [of_saga, of_steps] = [paths.saga(), paths.saga_steps()].map(|path| located(path, place));
    let (step, finished, input_codec) = (paths.step(), paths.finished(), paths.input_codec());
    let saga_key = keyed(declared);
    let (rendered, result) = (paths.rendered(), paths.result(&quote!(Self::Outputs)));
    let name = name(declared);
    quote! {
        #declaration

        impl #of_steps for #saga {}

        #[automatically_derived]
        impl #of_saga for #saga {
            const NAME: &'static str = #name;

            type Outputs = #of_outputs;

            fn codec() -> #input_codec<Self> {
                #saga_key::codec()
            }

            fn key(&self) -> #rendered {
                #saga_key::saga_key(self)
            }

            fn steps() -> ::std::vec::Vec<#step<Self>> {
                #steps
            }

            #[allow(unused_variables)]
            fn outputs(finished: &#finished<'_>) -> #result {
                #outputs
            }
        }
    }
}

/// `<PlaceOrder as SagaKey>`, which is used several times. What is wrong with it is told once, since it is told of one
/// place.
fn keyed(declared: &Declared) -> TokenStream {
    let (saga, saga_key) = (&declared.written.saga, declared.paths.saga_key());
    located(quote!(<#saga as #saga_key>), spans(saga).0)
}

/// The saga's place among what is annotated. Its template stands on the struct.
fn known(declared: &Declared, options: &str) -> TokenStream {
    let (saga_key, name) = (keyed(declared), name(declared));
    let entry = Entry {
        kind: "Saga",
        templates: vec![quote!(#saga_key::TEMPLATE)],
        name: Some(quote!(#name)),
        options,
        item: written_name(declared),
    };
    entry.registration(&declared.paths)
}

fn name(declared: &Declared) -> LitStr {
    let given = declared.name.clone();
    given.unwrap_or_else(|| LitStr::new(&written_name(declared), Span::call_site()))
}

/// What the type is called, without its path.
fn written_name(declared: &Declared) -> String {
    let saga = match ungrouped(&declared.written.saga) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    saga.map(|last| last.ident.unraw().to_string())
        .unwrap_or_default()
}

/// The outputs, each taken out of those that are stored.
fn all_outputs(declared: &Declared) -> TokenStream {
    let name = outputs::name(&declared.written.saga);
    let fields = declared.steps().into_iter().enumerate().map(|(at, step)| {
        let field = step.name();
        let take = match step.form() {
            Form::One => quote!(take),
            Form::Optional => quote!(take_optional),
            Form::All => quote!(take_all),
        };
        let place = step
            .method
            .output()
            .map_or_else(Span::call_site, |output| spans(output).0);
        let read = read(declared, step);
        let question = located(quote!(?), place);
        let lints = lints::copied(&step.method.function.attrs);
        quote!(#(#lints)* #field: finished.#take(#read, #at)#question)
    });
    quote!(::core::result::Result::Ok(#name { #(#fields),* }))
}

/// `Step::<Self>::new(<R as StepResult>::into_result, "charge", |saga, call| …).needs([Dependency::of::<PaymentGateway>()]).undo(…)`
fn step_data(declared: &Declared, step: &Step<'_>) -> TokenStream {
    let (ty, id) = (declared.paths.step(), step.declaration.id());
    let into_result = of_output(declared, step.declaration, "into_result");
    let (saga, call) = (saga(), call());
    let condition = step
        .retry
        .as_ref()
        .and_then(|retry| retry.condition.as_ref());
    let run = attempt(declared, step, &step.run, condition);
    let (options, undo, when) = (options(step), undo(declared, step), when(declared, step));
    let needs = needs(declared, step);
    let called = step.called().map(|called| &*called.method.function.attrs);
    let lints = called.flat_map(lints::copied);
    quote! {
        #(#lints)*
        #ty::<Self>::new(#into_result, #id, |#saga: &Self, #call| #run) #when #needs #options #undo
    }
}

/// The calls for options that are values.
fn options(step: &Step<'_>) -> TokenStream {
    let args = step.declaration.args;
    let each = args.each.iter().map(|each| {
        let at = Span::mixed_site().located_at(each.span());
        let saga = Ident::new("saga", at);
        let items = each.of(&saga);
        quote_spanned!(at=> |#saga| #items.len())
    });
    let retry = step.retry.iter().map(|retry| &retry.policy);
    let timeout = args.timeout.iter().map(|timeout| &timeout.value);
    let pivot = args.pivot.iter().map(|_| quote!(.pivot()));
    let parallel = args.parallel.iter().map(|_| quote!(.parallel()));
    let fields = args.each.iter().map(FieldArg::written);
    quote!(#(.each(#each).each_is(#fields))* #(.retry(#retry))* #(.timeout(#timeout))* #(#pivot)* #(#parallel)*)
}

/// `.undo(|saga, call| …)`, or `.undo_unknown(…)` for a compensation that takes an `Option`.
fn undo(declared: &Declared, step: &Step<'_>) -> Option<TokenStream> {
    let undo = step.undo.as_ref()?;
    let of_unknown = |argument: &Argument| matches!(argument, Argument::Own { optional: true });
    let method = if undo.arguments.iter().any(of_unknown) {
        quote!(undo_unknown)
    } else {
        quote!(undo)
    };
    let (saga, call, attempt) = (saga(), call(), attempt(declared, step, undo, None));
    let name = undo.method.name().unraw().to_string();
    Some(quote!(.#method(|#saga, #call| #attempt).undo_is(#name)))
}

/// `.when(|saga, call| Ok(saga.is_gift()))`
fn when(declared: &Declared, step: &Step<'_>) -> Option<TokenStream> {
    let when = step.when.as_ref()?;
    let (saga, called) = (saga(), called(declared, step, when));
    let call = if when.arguments.is_empty() {
        quote!(_)
    } else {
        call().into_token_stream()
    };
    let name = when.method.name().unraw().to_string();
    Some(quote!(.when(|#saga, #call| ::core::result::Result::Ok(#called)).when_is(#name)))
}

/// The call for what the step and what belongs to it ask the coordinator for, each once.
fn needs(declared: &Declared, step: &Step<'_>) -> Option<TokenStream> {
    let mut needs: Vec<(&[Attribute], &Type)> = Vec::new();
    for (parameter, argument) in step.called().flat_map(Called::filled) {
        if let Argument::Dependency(ty) = argument
            && !needs.contains(&(&parameter.cfg, ty))
        {
            needs.push((&parameter.cfg, ty));
        }
    }
    let dependency = declared.paths.dependency();
    let all = needs
        .iter()
        .map(|(cfg, ty)| quote!(#(#cfg)* #dependency::of::<#ty>()));
    let all: Vec<_> = all.collect();
    (!all.is_empty()).then(|| quote!(.needs([#(#all),*])))
}

/// One attempt: `Box::pin(async move { let returned = saga.charge(…).await; call.finish(returned) })`. If it cannot be
/// sent between threads, that is reported at the method's name, and if what it returns cannot be stored, where that is
/// written. `condition` says which errors are worth another.
fn attempt(
    declared: &Declared,
    step: &Step<'_>,
    method: &Called<'_>,
    condition: Option<&FunctionArg>,
) -> TokenStream {
    let (call, called) = (call(), called(declared, step, method));
    let at = Span::mixed_site().located_at(method.method.name().span());
    let output = method.method.output().map_or(at, |output| spans(output).0);
    let returned = Ident::new("returned", output);
    let returns = method.method.output().into_iter();
    let into_result = returns.map(|output| declared.paths.of_step_result(output, "into_result"));
    let into_result: TokenStream = into_result.collect();
    let finish = match condition {
        None => quote_spanned!(output=> #call.finish(#into_result, #returned)),
        Some(FunctionArg(condition)) => {
            quote_spanned!(output=> #call.finish_if(#into_result, #returned, #condition))
        }
    };
    quote_spanned!(at=> ::std::boxed::Box::pin(async move { let #returned = #called.await; #finish }))
}

/// The function that reads what a step has put out.
fn read(declared: &Declared, step: Declaration<'_>) -> Option<TokenStream> {
    of_output(declared, step, "read")
}

fn of_output(declared: &Declared, step: Declaration<'_>, function: &str) -> Option<TokenStream> {
    let output = outputs::output(step, &declared.written.saga);
    output.map(|output| declared.paths.of_step_result(&output, function))
}

/// `saga.charge(call.context(), …)`
fn called(declared: &Declared, step: &Step<'_>, called: &Called<'_>) -> TokenStream {
    let (saga, name) = (saga(), called.method.name());
    let arguments = called.filled().map(|(parameter, argument)| {
        let (cfg, value) = (
            &parameter.cfg,
            value(declared, step, &parameter.ty, argument),
        );
        quote!(#(#cfg)* #value)
    });
    quote!(#saga.#name(#(#arguments),*))
}

/// What a parameter is given. If it does not fit, that is reported at the parameter's type.
fn value(declared: &Declared, step: &Step<'_>, ty: &Type, argument: &Argument) -> TokenStream {
    let call = Ident::new("call", spans(ty).0);
    let (start, end) = spans(ty);
    let fallible = match argument {
        Argument::Mistaken => return TokenStream::new(),
        Argument::Context => return quote_spanned!(start=> #call.context()),
        Argument::Item => return item(step, (start, end)),
        Argument::Dependency(ty) => quote_spanned!(start=> #call.dep::<#ty>()),
        Argument::Output { step: at, form } => {
            let read = read(declared, declared.steps()[*at]);
            let output = Ident::new(
                match form {
                    Form::One => "output",
                    Form::Optional => "optional",
                    Form::All => "outputs",
                },
                start,
            );
            quote_spanned!(start=> #call.#output(#read, #at))
        }
        Argument::Own { optional } => {
            let read = read(declared, step.declaration);
            let undone = Ident::new(
                if *optional {
                    "undone_if_known"
                } else {
                    "undone"
                },
                start,
            );
            quote_spanned!(start=> #call.#undone(#read))
        }
    };
    let question = quote_spanned!(end=> ?);
    quote!(#fallible #question)
}

/// The item of this run, for a parameter whose type is at `place`. If the field has no items, that is reported at the
/// option, and if they are of another type, at the parameter's.
fn item(step: &Step<'_>, (start, end): (Span, Span)) -> TokenStream {
    let item = step.declaration.args.each.iter().map(|each| {
        let at = Span::mixed_site().located_at(each.span());
        let [saga, call] = [saga(), call()].map(|name| Ident::new(&name.to_string(), at));
        let items = each.of(&saga);
        quote_spanned!(at=> let item = &#items[#call.item()];)
    });
    let name = Ident::new("item", end);
    let lent = [quote_spanned!(start=> &), quote_spanned!(end=> *#name)];
    quote!({ #(#item)* #(#lent)* })
}

/// Where a type begins and ends, for what is generated there.
fn spans(ty: &Type) -> (Span, Span) {
    let (start, end) = ends(ty);
    let at = |span| Span::mixed_site().located_at(span);
    (at(start), at(end))
}

fn saga() -> Ident {
    Ident::new("saga", Span::mixed_site())
}

fn call() -> Ident {
    Ident::new("call", Span::mixed_site())
}
