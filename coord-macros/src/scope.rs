//! The names that a template can use: those that a signature binds, or the fields of a struct.

use proc_macro2::Ident;
use syn::ext::IdentExt as _;

use crate::braces;
use crate::diagnose::{Mistakes, listed, nearest};
use crate::function::Binding;
use crate::template::{Segment, Template};

/// What `#[async_trait]` puts in place of an argument that the signature destructures.
const ASYNC_TRAIT_ARGUMENT: &str = "__arg";

/// What an attribute has found of the names that it uses.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// For each template, what each of its segments stands for: an argument or `self`.
    pub(crate) roots: Vec<Vec<Ident>>,
    /// The arguments that a fingerprint takes.
    pub(crate) fingerprint: Vec<Binding>,
}

/// The names bound by one signature, or the fields of one struct.
#[derive(Debug)]
pub(crate) struct Scope {
    /// Each name without `r#`, and where it is bound.
    names: Vec<(String, Binding)>,
    /// What a name stands for, and what has it: an `argument` of a `function`.
    noun: &'static str,
    owner: &'static str,
}

impl Scope {
    pub(crate) fn new(bindings: Vec<Binding>) -> Self {
        Self {
            names: bindings
                .into_iter()
                .map(|binding| (binding.name.unraw().to_string(), binding))
                .collect(),
            noun: "argument",
            owner: "function",
        }
    }

    pub(crate) fn of_fields(fields: Vec<Ident>) -> Self {
        Self {
            noun: "field",
            owner: "struct",
            ..Self::new(fields.into_iter().map(Binding::of).collect())
        }
    }

    pub(crate) fn has(&self, name: &Ident) -> bool {
        self.get(&name.unraw().to_string()).is_some()
    }

    /// The arguments called `name`, of which there are several if a `cfg` chooses, or what to say if there is none.
    pub(crate) fn find(&self, name: &Ident) -> Result<Vec<&Binding>, String> {
        let text = name.unraw().to_string();
        let known = self.arguments();
        let found: Vec<_> = known.filter(|known| known.name.unraw() == text).collect();
        let found = Some(found).filter(|found| !found.is_empty());
        found.ok_or_else(|| {
            let known: Vec<_> = self
                .arguments()
                .map(|known| known.name.unraw().to_string())
                .collect();
            let known = || known.iter().map(String::as_str);
            let question = nearest(&text, known())
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            match listed(known(), "", "") {
                none if none.is_empty() => {
                    format!("`{text}` is no argument; the function has none with a name")
                }
                all => format!("`{text}` is no argument{question}\navailable: {all}"),
            }
        })
    }

    /// The arguments, in the order written, without `self`.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Binding> {
        let named = self.names.iter().filter(|(name, _)| name != "self");
        named.map(|(_, binding)| binding)
    }

    /// What each segment of `template` stands for, in turn. A name that is bound nowhere is a mistake.
    pub(crate) fn roots(&self, template: &Template, mistakes: &mut Mistakes) -> Vec<Ident> {
        braces::check(template, |name| self.get(name).is_some(), mistakes);
        let root = |segment: &Segment| {
            let found = self.get(&segment.name).cloned();
            if found.is_none() {
                mistakes.push(self.unknown(template, segment));
            }
            found
        };
        template.segments().filter_map(root).collect()
    }

    fn get(&self, name: &str) -> Option<&Ident> {
        self.names
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, binding)| &binding.name)
    }

    fn unknown(&self, template: &Template, segment: &Segment) -> syn::Error {
        let (name, noun, owner) = (&segment.name, self.noun, self.owner);
        if name == "self" {
            let help = format!(
                "the {owner} takes no `self`{}",
                self.available("; available: ")
            );
            return template.mistake(&segment.range, "unknown `self` in key template", &help);
        }
        let headline = format!("unknown {noun} `{name}` in key template");
        let known = self.names.iter().map(|(known, _)| known.as_str());
        let help = match nearest(name, known) {
            Some(near) => format!(
                "did you mean `<{near}>`?{}",
                self.available("\navailable: ")
            ),
            None if self.names.is_empty() => format!("the {owner} has no {noun} with a name"),
            None => format!("no {noun} has this name{}", self.available("\navailable: ")),
        };
        template.mistake(&segment.range, &headline, &help)
    }

    /// The names as segments, behind `before`; nothing if there are none.
    fn available(&self, before: &str) -> String {
        let visible = self
            .names
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| !is_hidden(name));
        let names = listed(visible, "<", ">");
        let hidden = self.names.iter().any(|(name, _)| is_hidden(name));
        let note = if hidden {
            "\n`#[async_trait]` hides what the signature destructures: name that argument, and \
             destructure it in the body"
        } else {
            ""
        };
        if names.is_empty() {
            note.to_owned()
        } else {
            format!("{before}{names}{note}")
        }
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(ASYNC_TRAIT_ARGUMENT)
}
