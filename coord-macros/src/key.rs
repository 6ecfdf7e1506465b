//! `key!("order:<id>")`: a template as an expression, with values from the scope.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, quote};

use crate::args::{self, KeyArgs};
use crate::braces;
use crate::diagnose::Mistakes;
use crate::paths::Paths;
use crate::render::render;
use crate::template::{self, Template};

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::new();
    let (literals, args) = args::read::<KeyArgs>(input, &mut mistakes);
    let templates: Vec<_> = literals
        .iter()
        .map(|literal| Template::parse(literal, &mut mistakes))
        .collect();
    if let [_, second, ..] = &literals[..] {
        mistakes.under(
            second,
            "`key!` takes one template; call it once for each key",
        );
    }
    for template in &templates {
        // Which names there are is not known here.
        braces::check(template, |_| true, &mut mistakes);
    }
    let paths = Paths::new(args.path.as_ref().map(|path| &path.0));
    match mistakes.finish() {
        Some(errors) => nothing(&templates, &errors, &paths),
        None => templates
            .iter()
            .map(|template| render(template, &variables(template), &paths))
            .collect(),
    }
}

/// The variables that the segments name, as the user would write them. One that does not exist is the
/// compiler's to report.
fn variables(template: &Template) -> Vec<Ident> {
    template
        .segments()
        .map(|segment| template::ident(&segment.name, template.span(&segment.range)))
        .collect()
}

/// The errors, in an expression of the type that the user counts on and with the variables used, so that
/// nothing else is reported for the same mistake.
fn nothing(templates: &[Template], errors: &TokenStream, paths: &Paths) -> TokenStream {
    let variables = templates
        .iter()
        .flat_map(variables)
        .map(Ident::into_token_stream);
    let rendered = paths.rendered();
    quote! {{
        #errors
        fn nothing() -> #rendered { loop {} }
        #(let _ = &#variables;)*
        nothing()
    }}
}
