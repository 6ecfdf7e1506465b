//! Keys: different values never meet in one key, whatever stands between them in the template.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8,
    NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize,
};
use std::rc::Rc;
use std::sync::Arc;

use coord::{Error, Key, KeyPart, key};
use proptest::prelude::*;

type Rendered = Result<Key, Error>;

/// Templates of two values, with every kind of separator between them.
const PAIRS: &[fn(&str, &str) -> Rendered] = &[
    |a, b| key!("<a>:<b>"),
    |a, b| key!("<a>-<b>"),
    |a, b| key!("<a>--<b>"),
    |a, b| key!("<a>-:<b>"),
    |a, b| key!("<a>:-<b>"),
    |a, b| key!("<a><b>"),
    |a, b| key!("<a>.<b>"),
    |a, b| key!("<a>a<b>"),
    |a, b| key!("<a>ab<b>"),
    |a, b| key!("<a>2<b>"),
    |a, b| key!("<a>25<b>"),
    |a, b| key!("<a>2D<b>"),
    |a, b| key!("<a>%<b>"),
    |a, b| key!("<a>%.<b>"),
    |a, b| key!("<a>.%<b>"),
    |a, b| key!("<a>%2<b>"),
    |a, b| key!("<a>%25<b>"),
    |a, b| key!("<a>2%<b>"),
    |a, b| key!("<a>ö<b>"),
    |a, b| key!("<a>/<b>"),
    |a, b| key!("<a>{<b>"),
    |a, b| key!("<a> <b>"),
    |a, b| key!("<a><<<b>"),
    |a, b| key!("a<a>a<b>a"),
    |a, b| key!("%<a>-<b>%"),
    |a, b| key!("-<a><b>-"),
];

/// Templates of three values.
const TRIPLES: &[fn(&str, &str, &str) -> Rendered] = &[
    |a, b, c| key!("<a>:<b>:<c>"),
    |a, b, c| key!("<a><b><c>"),
    |a, b, c| key!("<a>-<b><c>"),
    |a, b, c| key!("<a><b>-<c>"),
    |a, b, c| key!("<a>-<b>.<c>"),
    |a, b, c| key!("<a>%<b>a<c>"),
    |a, b, c| key!("<a>a<b>%.<c>"),
];

/// Texts of one and two characters that are most likely to be taken for something else.
fn tricky() -> Vec<String> {
    let characters = ["a", "-", ".", "%", "2", "D", ":"];
    let pairs = characters
        .iter()
        .flat_map(|first| characters.map(|second| format!("{first}{second}")));
    characters
        .map(str::to_owned)
        .into_iter()
        .chain(pairs)
        .collect()
}

/// Records who gave which key, and complains about the second one.
#[derive(Default)]
struct Givers(HashMap<String, String>);

impl Givers {
    fn add(&mut self, key: Rendered, values: String) {
        let key = key.expect("the values are short and not empty");
        let (template, text) = (key.template(), key.to_string());
        if let Some(earlier) = self.0.insert(text, values) {
            panic!("{template} gives {key} for {earlier} and for others");
        }
    }
}

#[test]
fn no_two_pairs_of_tricky_values_meet() {
    let values = tricky();
    for render in PAIRS {
        let mut givers = Givers::default();
        for a in &values {
            for b in &values {
                givers.add(render(a, b), format!("{a:?} {b:?}"));
            }
        }
    }
}

#[test]
fn no_two_triples_of_tricky_values_meet() {
    let values = tricky();
    for render in TRIPLES {
        let mut givers = Givers::default();
        for a in &values {
            for b in &values {
                for c in &values[..20] {
                    givers.add(render(a, b, c), format!("{a:?} {b:?} {c:?}"));
                }
            }
        }
    }
}

/// Text that is not empty: of the characters that encoding is about, or of any.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a%.:2D-]{1,8}",
        "[a-cö%/{ -]{1,6}",
        "\\PC{1,12}",
        proptest::collection::vec(any::<char>(), 1..8).prop_map(String::from_iter)
    ]
}

proptest! {
    #[test]
    fn no_two_pairs_meet(a in value(), b in value(), c in value(), d in value()) {
        for render in PAIRS {
            let (first, second) = (render(&a, &b).unwrap(), render(&c, &d).unwrap());
            prop_assert_eq!(first == second, (&a, &b) == (&c, &d), "{}", first.template());
        }
    }

    /// As above, but moves the border between the values, so that the texts in a row stay the same.
    #[test]
    fn no_two_pairs_of_the_same_text_meet(
        texts in proptest::collection::vec(value(), 2..5),
        cuts in any::<[usize; 2]>(),
    ) {
        let text = texts.concat();
        let borders: Vec<_> = text.char_indices().map(|(at, _)| at).skip(1).collect();
        let [first, second] = cuts.map(|cut| text.split_at(borders[cut % borders.len()]));
        for render in PAIRS {
            let keys = (render(first.0, first.1).unwrap(), render(second.0, second.1).unwrap());
            prop_assert_eq!(keys.0 == keys.1, first == second, "{}", keys.0.template());
        }
    }

    #[test]
    fn no_two_triples_meet(a in [value(), value(), value()], b in [value(), value(), value()]) {
        for render in TRIPLES {
            let [first, second] = [&a, &b].map(|[x, y, z]| render(x, y, z).unwrap());
            prop_assert_eq!(first == second, a == b, "{}", first.template());
        }
    }

    #[test]
    fn values_bring_no_special_characters(a in value(), b in value()) {
        let key = key!("<a>:<b><a>-<b>").unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~%:".contains(c);
        prop_assert!(key.as_str().chars().all(plain), "{}", key);
    }

    #[test]
    fn equal_values_give_equal_keys(a in value(), n in any::<i128>()) {
        let (again, boxed) = (a.clone(), Box::new(&n));
        prop_assert_eq!(key!("<a>:<n>").unwrap(), key!("<again>:<boxed>").unwrap());
    }

    #[test]
    fn different_numbers_give_different_keys(a in any::<i64>(), b in any::<i64>()) {
        prop_assert_eq!(key!("<a>").unwrap() == key!("<b>").unwrap(), a == b);
    }

    #[test]
    fn the_length_decides_and_nothing_else(length in 1_usize..1_500, separator in "[:-]") {
        let a = separator.repeat(length);
        let key = key!("<a>");
        let expected = if separator == "-" { length } else { 3 * length };
        match key {
            Ok(key) => prop_assert_eq!(key.as_str().len(), expected),
            Err(Error::InvalidKey { .. }) => prop_assert!(expected > 512),
            Err(error) => prop_assert!(false, "{}", error),
        }
        prop_assert_eq!(key!("<a>").is_ok(), expected <= 512);
    }
}

/// The problem of a key that cannot be, and the template it is reported for.
#[track_caller]
fn problem(key: Rendered) -> (&'static str, String) {
    match key {
        Err(Error::InvalidKey { template, problem }) => (template, problem.into_owned()),
        other => panic!("not refused as a key: {other:?}"),
    }
}

#[test]
fn a_key_of_512_bytes_fits_and_one_more_does_not() {
    let a = "x".repeat(508);
    assert_eq!(key!("id::<a>").unwrap().as_str().len(), 512);
    let (template, problem) = problem(key!("id:::<a>"));
    assert_eq!(template, "id:::<a>");
    assert!(problem.contains("513 bytes"), "{problem}");
    assert!(!problem.contains("xx"), "a value shows in {problem}");
}

#[test]
fn an_empty_value_is_refused_by_name() {
    let (a, b, empty) = ("a", "b", "");
    let (template, said) = problem(key!("<a>:<empty>:<b>"));
    assert_eq!(template, "<a>:<empty>:<b>");
    assert!(said.contains("`<empty>`"), "{said}");
    for key in [
        key!("<empty>"),
        key!("<empty><a>"),
        key!("<a><empty>"),
        key!("<a>-<empty>"),
        key!("<empty>-<a>"),
    ] {
        problem(key);
    }
}

#[test]
fn the_template_shows_its_text_and_literal_characters_stand_plainly() {
    let id = 7;
    assert_eq!(
        key!("Größe {<<id>>}:100%:<id>").unwrap().as_str(),
        "Größe {<id>}:100%%:7"
    );
}

#[test]
fn unicode_is_written_byte_by_byte() {
    let (umlaut, astral, combined) = ("ö", '\u{1F980}', "o\u{308}");
    assert_eq!(key!("<umlaut>").unwrap().as_str(), "%C3%B6");
    assert_eq!(key!("<astral>").unwrap().as_str(), "%F0%9F%A6%80");
    // Text is compared by its bytes, as everywhere in Rust; what looks alike stays apart.
    assert_ne!(key!("<umlaut>").unwrap(), key!("<combined>").unwrap());
}

#[derive(KeyPart)]
struct OrderId(u64);

#[derive(KeyPart)]
struct Sku<T> {
    text: T,
}

#[derive(KeyPart)]
enum Region {
    NorthAmerica,
}

#[track_caller]
fn written(part: impl KeyPart, expected: &str) {
    assert_eq!(key!("<part>").unwrap().as_str(), expected);
}

#[test]
fn integers_are_written_in_decimal() {
    written(u8::MAX, "255");
    written(u16::MAX, "65535");
    written(u32::MAX, "4294967295");
    written(u64::MAX, "18446744073709551615");
    written(u128::MAX, "340282366920938463463374607431768211455");
    written(usize::MIN, "0");
    written(i8::MIN, "-128");
    written(i16::MIN, "-32768");
    written(i32::MIN, "-2147483648");
    written(i64::MIN, "-9223372036854775808");
    written(i128::MIN, "-170141183460469231731687303715884105728");
    written(-1_isize, "-1");
}

#[test]
fn non_zero_integers_are_written_as_the_others() {
    written(NonZeroU8::MAX, "255");
    written(NonZeroU16::MIN, "1");
    written(NonZeroU32::MIN, "1");
    written(NonZeroU64::MIN, "1");
    written(NonZeroU128::MIN, "1");
    written(NonZeroUsize::MIN, "1");
    written(NonZeroI8::MIN, "-128");
    written(NonZeroI16::MAX, "32767");
    written(NonZeroI32::MAX, "2147483647");
    written(NonZeroI64::MAX, "9223372036854775807");
    written(NonZeroI128::new(-5).unwrap(), "-5");
    written(NonZeroIsize::new(-5).unwrap(), "-5");
}

#[test]
fn text_in_every_form_is_written_alike() {
    let mut text = String::from("a/b");
    written("a/b", "a%2Fb");
    written(text.clone(), "a%2Fb");
    written(&text, "a%2Fb");
    written(Cow::Borrowed("a/b"), "a%2Fb");
    written(Cow::<str>::Owned(text.clone()), "a%2Fb");
    written(Box::<str>::from("a/b"), "a%2Fb");
    written(Arc::<str>::from("a/b"), "a%2Fb");
    written(Rc::new(text.clone()), "a%2Fb");
    written(&mut text, "a%2Fb");
    written(Box::new(&&"a/b") as Box<dyn KeyPart>, "a%2Fb");
}

#[test]
fn the_other_types_have_one_text_each() {
    written(true, "true");
    written(false, "false");
    written('x', "x");
    written('\0', "%00");
    written(
        uuid::Uuid::from_u128(0xABCD),
        "00000000-0000-0000-0000-00000000abcd",
    );
    written(ulid::Ulid::from(0_u128), "00000000000000000000000000");
    written(OrderId(7), "7");
    written(Sku { text: "a b" }, "a%20b");
    written(Arc::new(Region::NorthAmerica), "NorthAmerica");
}
