//! `#[saga("order:<order_id>")]` on a struct: its key, and the methods that start and draw it.
//!
//! What it must fulfil beyond being readable, each rule a function below:
//!
//! 1. There is one template, and every segment of it names a field.
//! 2. The struct owns what it is made of.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::{GenericParam, Generics, ItemStruct, parse_quote_spanned};

use super::args::InputArgs;
use crate::args;
use crate::diagnose::Mistakes;
use crate::lints;
use crate::paths::{Paths, located};
use crate::render::render;
use crate::scope::Scope;
use crate::template::Template;

pub(super) fn expand(args: TokenStream, item: &ItemStruct) -> TokenStream {
    let mut mistakes = Mistakes::new();
    let (literals, args) = args::read::<InputArgs>(args, &mut mistakes);
    let paths = Paths::new(args.path.as_ref().map(|path| &path.0));
    let templates: Vec<_> = literals
        .iter()
        .map(|literal| Template::parse(literal, &mut mistakes))
        .collect();
    check_one_template(&templates, &mut mistakes);
    check_owned(item, &mut mistakes);
    let scope = scope(item);
    let roots: Vec<_> = templates
        .iter()
        .map(|template| scope.roots(template, &mut mistakes))
        .collect();
    let errors = mistakes.finish();
    let template = templates.first().map(Template::text).unwrap_or_default();
    // The trait is implemented even so, or its absence would be reported as well.
    let keyed = if errors.is_some() {
        let nothing = quote!(loop {});
        keyed(item, &item.generics, template, [&nothing, &nothing], &paths)
    } else {
        let keys = templates.iter().zip(&roots);
        let key = keys.map(|(template, roots)| key(template, roots, &paths));
        let (codec, generics) = (codec(item, &paths), storable(item, &paths));
        keyed(item, &generics, template, [&key.collect(), &codec], &paths)
    };
    let (outputs, methods) = (outputs(item, &paths), methods(item, &paths));
    quote!(#item #keyed #outputs #methods #errors)
}

/// The names that a template can use: the fields, and `self`.
fn scope(item: &ItemStruct) -> Scope {
    let fields = item.fields.iter().filter_map(|field| field.ident.clone());
    let itself = Ident::new("self", Span::call_site());
    Scope::of_fields(fields.chain([itself]).collect())
}

/// The body of the function that renders the key.
fn key(template: &Template, roots: &[Ident], paths: &Paths) -> TokenStream {
    let mut fields: Vec<&Ident> = roots.iter().filter(|root| *root != "self").collect();
    fields.sort();
    fields.dedup();
    let rendered = render(template, roots, paths);
    let bound = (!fields.is_empty()).then(|| quote!(let Self { #(#fields,)* .. } = self;));
    quote!(#bound #rendered)
}

/// The expression of how the input is stored. An input that cannot be is reported at the struct's name.
fn codec(item: &ItemStruct, paths: &Paths) -> TokenStream {
    let (ident, input) = (&item.ident, paths.saga_input());
    let (_, arguments, _) = item.generics.split_for_impl();
    located(quote!(<#ident #arguments as #input>::codec()), ident.span())
}

/// The generics of the struct. If it has some, only whoever fills them can say whether it can be stored.
fn storable(item: &ItemStruct, paths: &Paths) -> Generics {
    let (ident, input, mut generics) = (&item.ident, paths.saga_input(), item.generics.clone());
    if !generics.params.is_empty() {
        let (_, arguments, _) = item.generics.split_for_impl();
        let bound = parse_quote_spanned!(ident.span()=> #ident #arguments: #input);
        generics.make_where_clause().predicates.push(bound);
    }
    generics
}

/// The trait that says what the key is, and how the input is stored.
fn keyed(
    item: &ItemStruct,
    generics: &Generics,
    template: &str,
    [key, codec]: [&TokenStream; 2],
    paths: &Paths,
) -> TokenStream {
    let (saga_key, rendered, name) = (paths.saga_key(), paths.rendered(), &item.ident);
    let (input_codec, lints) = (paths.input_codec(), lints::copied(&item.attrs));
    let (parameters, arguments, conditions) = generics.split_for_impl();
    quote! {
        #(#lints)*
        #[automatically_derived]
        impl #parameters #saga_key for #name #arguments #conditions {
            const TEMPLATE: &'static str = #template;

            fn codec() -> #input_codec<Self> { #codec }

            fn saga_key(&self) -> #rendered { #key }
        }
    }
}

/// The name of what its steps put out, as visible as the struct itself.
fn outputs(item: &ItemStruct, paths: &Paths) -> TokenStream {
    let ItemStruct {
        vis,
        ident,
        generics,
        ..
    } = item;
    let (saga, outputs) = (paths.saga(), format_ident!("{ident}Outputs"));
    let documentation = format!("What the steps of [`{ident}`] have put out, by the name of each.");
    let unbounded = unbounded(generics);
    let (_, arguments, _) = unbounded.split_for_impl();
    let lints = lints::copied(&item.attrs);
    quote! {
        #(#lints)*
        #[doc = #documentation]
        #[allow(dead_code)]
        #vis type #outputs #unbounded = <#ident #arguments as #saga>::Outputs;
    }
}

/// The methods that start the saga, and the one that draws it. A struct without steps is reported at its name.
fn methods(item: &ItemStruct, paths: &Paths) -> TokenStream {
    let (ident, vis, mut generics) = (&item.ident, &item.vis, item.generics.clone());
    let steps = located(paths.saga_steps(), ident.span());
    let (_, arguments, _) = item.generics.split_for_impl();
    let bound = parse_quote_spanned!(ident.span()=> #ident #arguments: #steps);
    generics.make_where_clause().predicates.push(bound);
    let (parameters, _, conditions) = generics.split_for_impl();
    let (run_saga, start_saga) = (paths.run_saga(), paths.start_saga());
    let (coordinator, saga) = (paths.coordinator(), paths.saga());
    let (diagram, lints) = (paths.diagram(), lints::copied(&item.attrs));
    let ended = paths.saga_result(&quote!(<Self as #saga>::Outputs));
    let started = paths.saga_result(&paths.saga_handle(&quote!(Self)));
    quote! {
        #(#lints)*
        #[allow(dead_code)]
        impl #parameters #ident #arguments #conditions {
            /// Starts the saga, or joins the one with its key, and waits for it to end. It is executed with the
            /// coordinator of the current scope, or else the installed one.
            ///
            /// Dropping the future leaves the saga to the background, where it goes on. If the process dies,
            /// another one that recovers goes on with it.
            ///
            /// # Errors
            ///
            /// `SagaError` says how the saga ended other than well, or that it could not be started.
            #vis async fn run(self) -> #ended {
                #run_saga(::core::option::Option::None, self).await
            }

            /// As `run`, with this coordinator.
            ///
            /// # Errors
            ///
            /// See `run`.
            #vis async fn run_with(self, coordinator: &#coordinator) -> #ended {
                #run_saga(::core::option::Option::Some(coordinator), self).await
            }

            /// Starts the saga in the background, or joins the one with its key. It goes on whatever becomes of the
            /// handle. Outside of a Tokio runtime it panics, as `tokio::spawn` does.
            ///
            /// # Errors
            ///
            /// `SagaError::Coordination` if there is no coordinator, a dependency is not provided, or the key
            /// cannot be rendered.
            #vis fn start(self) -> #started {
                #start_saga(::core::option::Option::None, self)
            }

            /// As `start`, with this coordinator.
            ///
            /// # Errors
            ///
            /// See `start`.
            #vis fn start_with(self, coordinator: &#coordinator) -> #started {
                #start_saga(::core::option::Option::Some(coordinator), self)
            }

            /// The steps as a diagram: in Mermaid with its `mermaid()`, and as text when it is displayed.
            #vis fn diagram() -> #diagram {
                #diagram::of::<Self>()
            }
        }
    }
}

/// Generics as an alias has them, defaults included.
fn unbounded(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.clear();
    }
    generics.where_clause = None;
    generics
}

fn check_one_template(templates: &[Template], mistakes: &mut Mistakes) {
    for template in templates.iter().skip(1) {
        mistakes.under(
            template.literal(),
            "a saga has one key; put all of it into one template, as in `\"order:<shop>:<order_id>\"`",
        );
    }
}

fn check_owned(item: &ItemStruct, mistakes: &mut Mistakes) {
    for parameter in &item.generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            mistakes.under(
                lifetime,
                "a saga's input is stored and read again, so it cannot borrow: own it, with `String` for `&str` and \
                 `Vec<T>` for `&[T]`",
            );
        }
    }
}
