//! Telling the user what is wrong: all mistakes of one attribute at once, each at its place.

use std::fmt::Display;
use std::ops::Range;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found so far. They must be reported with [`finish`](Self::finish); dropping them without is
/// a bug of ours, which would let wrong input through.
#[derive(Debug)]
pub(crate) struct Mistakes {
    errors: Vec<syn::Error>,
    finished: bool,
}

impl Mistakes {
    pub(crate) fn new() -> Self {
        Self {
            errors: Vec::new(),
            finished: false,
        }
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    /// Adds a mistake that is drawn at one span.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Adds a mistake that is drawn under all of `tokens`.
    pub(crate) fn under(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds what darling found, one mistake each.
    pub(crate) fn push_darling(&mut self, error: darling::Error) {
        for error in error.flatten() {
            self.push(error.into());
        }
    }

    /// What `result` holds, or `None` after taking note of its error.
    pub(crate) fn catch<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// `compile_error!`s for all mistakes, or `None` if there are none.
    pub(crate) fn finish(mut self) -> Option<TokenStream> {
        self.finished = true;
        let errors = std::mem::take(&mut self.errors);
        if errors.is_empty() {
            return None;
        }
        Some(errors.iter().map(syn::Error::to_compile_error).collect())
    }
}

impl Drop for Mistakes {
    fn drop(&mut self) {
        // A second panic while unwinding would hide the first.
        assert!(
            self.finished || std::thread::panicking(),
            "mistakes were dropped without being reported"
        );
    }
}

/// A message with the template drawn below it, `range` of it underlined, and `help` beside the underline.
pub(crate) fn underlined(
    headline: &str,
    template: &str,
    range: &Range<usize>,
    help: &str,
) -> String {
    let drawn = printable(template);
    let before = " ".repeat(template[..range.start].chars().count());
    let underline = "^".repeat(template[range.clone()].chars().count().max(1));
    format!("{headline}\n    {drawn}\n    {before}{underline} help: {help}")
}

/// `text` on one line, every character one column wide.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// The candidate that `name` was most likely meant to be: one slip away for every three letters.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let slips = |candidate| strsim::osa_distance(name, candidate);
    candidates
        .into_iter()
        .filter(|candidate| {
            let length = name.chars().count().max(candidate.chars().count());
            slips(candidate) <= length.max(3) / 3 && slips(candidate) < length
        })
        .min_by_key(|candidate| slips(candidate))
}

/// "`a`, `b` and `c`", each name between `open` and `close`.
pub(crate) fn listed<'a>(
    names: impl IntoIterator<Item = &'a str>,
    open: &str,
    close: &str,
) -> String {
    let names: Vec<_> = names
        .into_iter()
        .map(|name| format!("`{open}{name}{close}`"))
        .collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underlines_by_characters_not_by_bytes() {
        let message = underlined("wrong", "größe:<idd>:v1", &(8..13), "look here");
        assert_eq!(
            message,
            "wrong\n    größe:<idd>:v1\n          ^^^^^ help: look here"
        );
    }

    #[test]
    fn draws_a_template_with_line_breaks_on_one_line() {
        assert_eq!(
            underlined("wrong", "a\n<", &(2..3), "x"),
            "wrong\n    a\u{fffd}<\n      ^ help: x"
        );
    }

    #[test]
    fn offers_the_nearest_name_only_if_it_is_near() {
        assert_eq!(nearest("idd", ["customer", "id"]), Some("id"));
        assert_eq!(nearest("custmer", ["customer", "cast"]), Some("customer"));
        assert_eq!(nearest("tll", ["wait", "ttl"]), Some("ttl"));
        assert_eq!(nearest("slef", ["self"]), Some("self"));
        assert_eq!(nearest("sku", ["id", "customer"]), None);
        assert_eq!(nearest("a", ["b"]), None);
    }

    #[test]
    fn lists_read_as_prose() {
        assert_eq!(listed([], "", ""), "");
        assert_eq!(listed(["a"], "<", ">"), "`<a>`");
        assert_eq!(listed(["a", "b", "c"], "", ""), "`a`, `b` and `c`");
    }

    #[test]
    #[should_panic(expected = "without being reported")]
    fn mistakes_cannot_be_forgotten() {
        drop(Mistakes::new());
    }
}
