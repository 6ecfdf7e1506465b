//! `{id}`, as other templates write a value. Taken as text it would be one key for every `id`.

use std::ops::Range;

use crate::diagnose::Mistakes;
use crate::template::{Template, is_name, parse_path};

/// Refuses `{}` and `{:?}`, and, of a name that is that of a value, `{name}`, `{name.field}` and `{name:?}`.
/// All other braces are text, among them those around a segment.
pub(crate) fn check(template: &Template, is_value: impl Fn(&str) -> bool, mistakes: &mut Mistakes) {
    for (range, inside) in braced(template.text()) {
        if let Some(instead) = instead(inside, &is_value) {
            let written = &template.text()[range.clone()];
            let headline =
                format!("`{written}` is plain text in a key template, the same in every key");
            mistakes.push(template.mistake(&range, &headline, &instead));
        }
    }
}

/// Each pair of braces without a segment or others between them, and what is there.
fn braced(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    text.match_indices('{').filter_map(|(start, _)| {
        let inner = start + 1;
        let end = inner + text[inner..].find(['{', '}', '<', '>'])?;
        let closed = text[end..].starts_with('}');
        closed.then(|| (start..end + 1, text[inner..end].trim()))
    })
}

/// What to write instead, if this would be a value elsewhere.
fn instead(inside: &str, is_value: impl Fn(&str) -> bool) -> Option<String> {
    if inside.is_empty() || inside.starts_with(':') {
        return Some("name the value, as in `<id>`".to_owned());
    }
    let path = inside.split([':', ' ']).next().unwrap_or_default();
    let first = path.split('.').next().unwrap_or_default();
    let name = first.strip_prefix("r#").unwrap_or(first);
    let value = if parse_path(path).is_ok() {
        path
    } else {
        first
    };
    (is_name(name) && is_value(name)).then(|| format!("write `<{value}>` for the value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = braced(text).find_map(|(_, inside)| instead(inside, |name| name == "id"));
        let expected = expected.map(|value| format!("write `<{value}>` for the value"));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn finds_values_between_braces() {
        check("a:{id}", Some("id"));
        check("a:{ id }:b", Some("id"));
        check("a:{id.0.sku}", Some("id.0.sku"));
        check("a:{id:?}", Some("id"));
        check("a:{id.sku:>8}", None);
        check("a:{r#id}", Some("r#id"));
        check("a:{id.len()}", Some("id"));
        check("a:{x}{{id}}", Some("id"));
    }

    #[test]
    fn other_braces_are_text() {
        for text in [
            "a:{tag}",
            "{ident}",
            "{<id>}",
            "{id<id>}",
            "{id:<id>}",
            "{<id>:id}",
            "{id",
            "id}",
            "{0}",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn finds_values_without_a_name() {
        for text in ["{}", "{ }", "{:?}", "<id>:{}"] {
            assert!(
                braced(text).any(|(_, inside)| instead(inside, |_| false).is_some()),
                "{text}"
            );
        }
    }
}
