//! Idempotent functions whose keys could be the same, refused when a coordinator is installed.

use std::collections::HashSet;

use crate::coordinator::InstallCheck;
use crate::error::Error;
use crate::registry::{Annotated, AnnotatedKind, registry};

inventory::submit! {
    InstallCheck(|_| check(&registry()))
}

/// What keys of a template are made of, from the left. See `key/encode.rs` for how values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Literal(char),
    /// One or more units, each a character that values have or an encoded byte.
    Value,
    /// What stands between two values.
    ValueEnd,
}

/// The call of the one would be answered with the result of the other.
fn check(all: &[Annotated]) -> Result<(), Error> {
    let mut before = Vec::<(Vec<Unit>, &Annotated)>::new();
    for one in all.iter().filter(|one| is_concerned(one)) {
        for template in one.templates() {
            let units = units(template);
            let other = before.iter().find(|(others, other)| {
                other.identity() != one.identity() && can_be_the_same(&units, others)
            });
            if let Some((_, other)) = other {
                return Err(Error::TemplateTaken {
                    template,
                    one: described(other),
                    other: described(one),
                });
            }
            before.push((units, one));
        }
    }
    Ok(())
}

/// One that names a coordinator itself may well be in another store or namespace.
fn is_concerned(one: &Annotated) -> bool {
    let names_coordinator = one.options().split(", ").any(|option| {
        option
            .split('=')
            .next()
            .is_some_and(|name| name.trim_end() == "coord")
    });
    one.kind() == AnnotatedKind::Idempotent && !names_coordinator
}

fn described(one: &Annotated) -> String {
    format!("{} ({}:{})", one.function(), one.file(), one.line())
}

fn units(template: &str) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut rest = template.chars().peekable();
    while let Some(letter) = rest.next() {
        let is_doubled = matches!(letter, '<' | '>') && rest.next_if_eq(&letter).is_some();
        if letter != '<' || is_doubled {
            units.push(Unit::Literal(letter));
            continue;
        }
        // The name says nothing of the key.
        rest.find(|letter| *letter == '>');
        if units.last() == Some(&Unit::Value) {
            units.push(Unit::ValueEnd);
        }
        units.push(Unit::Value);
    }
    units
}

/// Whether there is a key that both can make.
fn can_be_the_same(one: &[Unit], other: &[Unit]) -> bool {
    let mut seen = HashSet::new();
    // Where in the one and in the other a beginning that both can make may end.
    let mut ends = vec![(0, 0)];
    while let Some((at, other_at)) = ends.pop() {
        if !seen.insert((at, other_at)) {
            continue;
        }
        match (one.get(at), other.get(other_at)) {
            (None, None) => return true,
            (Some(unit), Some(other_unit)) if unit.can_be(*other_unit) => {
                for next in unit.next(at) {
                    ends.extend(
                        other_unit
                            .next(other_at)
                            .map(|other_next| (next, other_next)),
                    );
                }
            }
            _ => {}
        }
    }
    false
}

impl Unit {
    fn can_be(self, other: Self) -> bool {
        match (self, other) {
            (Self::Value, Self::Literal(letter)) | (Self::Literal(letter), Self::Value) => {
                letter.is_ascii_alphanumeric() || "-_.~".contains(letter)
            }
            _ => self == other,
        }
    }

    /// What may come behind one unit of it, which stands at `at`.
    fn next(self, at: usize) -> impl Iterator<Item = usize> {
        (self == Self::Value)
            .then_some(at)
            .into_iter()
            .chain([at + 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idempotent(
        template: &'static [&'static str],
        options: &'static str,
        function: &'static str,
    ) -> Annotated {
        Annotated::new(AnnotatedKind::Idempotent, template, None, options, function)
    }

    #[test]
    fn templates_whose_keys_can_be_the_same_are_found() {
        for (one, other, can_be) in [
            ("payment:<order.id>:<customer>", "payment:<a>:<b>", true),
            ("payment:<id>", "<kind>:<id>", true),
            ("job:daily", "job:<name>", true),
            ("job:daily-<day>", "job:<name>", true),
            ("<a>-<b>", "<c>", true),
            ("<a><b>", "<c><d>", true),
            ("daily", "daily", true),
            ("<<a>>:<b>", "<<a>>:<c>", true),
            ("payment:<id>", "refund:<id>", false),
            ("payment:<id>", "payment:<id>:<part>", false),
            ("job:daily/eu", "job:<name>", false),
            ("<a><b>", "<c>", false),
            ("100%:<a>", "<b>:<a>", false),
            ("<<a>>:<b>", "<a>:<b>", false),
            ("daily", "dail", false),
        ] {
            assert_eq!(
                can_be_the_same(&units(one), &units(other)),
                can_be,
                "{one} {other}"
            );
            assert_eq!(
                can_be_the_same(&units(other), &units(one)),
                can_be,
                "{other} {one}"
            );
        }
    }

    #[test]
    fn two_functions_whose_keys_can_be_the_same_are_refused_with_both_places() {
        let all = [
            idempotent(&["payment:<id>"], "", "shop::pay"),
            idempotent(&["refund:<id>"], "", "shop::refund"),
            idempotent(&["payment:<order>"], "ttl = \"1h\"", "kitchen::pay"),
        ];
        let refused = check(&all).unwrap_err().to_string();
        for part in ["shop::pay (", "kitchen::pay (", "payment:<order>", file!()] {
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn one_function_that_is_known_twice_is_no_collision() {
        let one = idempotent(&["payment:<id>"], "", "shop::pay");
        assert!(check(&[one, one]).is_ok());
    }

    #[test]
    fn a_function_that_names_its_coordinator_is_not_concerned() {
        let all = [
            idempotent(&["payment:<id>"], "", "shop::pay"),
            idempotent(
                &["payment:<id>"],
                "ttl = \"1h\", coord = self.coord",
                "kitchen::pay",
            ),
            idempotent(&["payment:<id>"], "coord=&self.coord", "bar::pay"),
        ];
        assert!(check(&all).is_ok());
    }
}
