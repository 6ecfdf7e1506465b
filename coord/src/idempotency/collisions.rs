//! Idempotent functions whose keys could be the same, refused when a coordinator is installed.

use std::collections::HashMap;

use crate::coordinator::InstallCheck;
use crate::error::Error;
use crate::registry::{Annotated, AnnotatedKind, registry};

inventory::submit! {
    InstallCheck(|_| check(&registry()))
}

/// The call of the one would be answered with the result of the other.
fn check(all: &[Annotated]) -> Result<(), Error> {
    let mut by_shape = HashMap::<String, &Annotated>::new();
    for one in all.iter().filter(|one| is_concerned(one)) {
        for template in one.templates() {
            let other = *by_shape.entry(shape(template)).or_insert(one);
            if other.identity() != one.identity() {
                return Err(Error::TemplateTaken {
                    template,
                    one: described(other),
                    other: described(one),
                });
            }
        }
    }
    Ok(())
}

/// One that names a coordinator itself may well be in another store or namespace.
fn is_concerned(one: &Annotated) -> bool {
    let names_coordinator = one
        .options()
        .split(", ")
        .any(|option| option.starts_with("coord = "));
    one.kind() == AnnotatedKind::Idempotent && !names_coordinator
}

fn described(one: &Annotated) -> String {
    format!("{} ({}:{})", one.function(), one.file(), one.line())
}

/// The template without the names in it, which say nothing of the key.
fn shape(template: &str) -> String {
    let mut shape = String::new();
    let mut rest = template.chars().peekable();
    while let Some(letter) = rest.next() {
        shape.push(letter);
        if letter == '<' {
            if rest.next_if_eq(&'<').is_some() {
                shape.push('<');
            } else {
                shape.extend(rest.find(|letter| *letter == '>'));
            }
        }
    }
    shape
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
    fn names_of_arguments_are_no_part_of_a_shape() {
        assert_eq!(shape("payment:<order.id>:<customer>"), "payment:<>:<>");
        assert_eq!(shape("a<<b>>:<c>"), "a<<b>>:<>");
        assert_eq!(shape("daily"), "daily");
    }

    #[test]
    fn two_functions_of_one_shape_are_refused_with_both_places() {
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
        ];
        assert!(check(&all).is_ok());
    }
}
