//! Fingerprints: what tells that a key was used for another request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// A digest of the arguments of a call: 128 bits of a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint(#[serde(with = "super::record::halves")] u128);

impl Fingerprint {
    /// The fingerprint of a JSON text, which is that of the value it was written from.
    pub(crate) fn of_json(text: &[u8]) -> serde_json::Result<Self> {
        let mut digest = Sha256::new();
        let text = serde_json::from_slice::<&RawValue>(text)?;
        feed_json(&mut digest, text.get())?;
        Ok(Self(first_bits(digest)))
    }

    /// The fingerprint of a value as serde sees it. The order of a map's entries does not matter.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        let mut digest = Sha256::new();
        feed_any(&mut digest, value).map_err(|problem| not_json(&problem))?;
        Ok(Self(first_bits(digest)))
    }
}

/// The named parts of a fingerprint, put together one by one.
#[derive(Clone, Default)]
pub struct FingerprintParts {
    digest: Sha256,
    problem: Option<Error>,
}

impl FingerprintParts {
    /// Adds bytes as they are.
    pub fn add_bytes(&mut self, name: &'static str, part: &[u8]) {
        feed_bytes(&mut self.digest, name.as_bytes());
        feed_bytes(&mut self.digest, part);
    }

    pub(crate) fn add<T: Serialize + ?Sized>(&mut self, name: &'static str, part: &T) {
        feed_bytes(&mut self.digest, name.as_bytes());
        if let Err(problem) = feed_any(&mut self.digest, part) {
            self.problem.get_or_insert_with(|| not_json(&problem));
        }
    }

    pub(crate) fn finish(self) -> Result<Fingerprint, Error> {
        match self.problem {
            Some(problem) => Err(problem),
            None => Ok(Fingerprint(first_bits(self.digest))),
        }
    }
}

fn not_json(problem: &serde_json::Error) -> Error {
    Error::invalid_option(
        "fingerprint",
        format!("it cannot be written as JSON ({problem}); leave that argument out"),
    )
}

/// 128 bits of a digest of several pieces, in their order.
pub(super) fn bits_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u128 {
    let mut digest = Sha256::new();
    for piece in pieces {
        feed_bytes(&mut digest, piece);
    }
    first_bits(digest)
}

fn first_bits(digest: Sha256) -> u128 {
    let digest: [u8; 32] = digest.finalize().into();
    let (first, _) = digest.split_at(16);
    first
        .iter()
        .fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
}

/// Feeds a value as serde sees it, or says why that is no JSON.
fn feed_any<T: Serialize + ?Sized>(digest: &mut Sha256, value: &T) -> serde_json::Result<()> {
    match serde_json::to_value(value) {
        Ok(value) => {
            feed(digest, &value);
            Ok(())
        }
        // A `Value` has no room for integers of more than 64 bits. The text has, and it says so if it is something else.
        Err(problem) => match serde_json::to_string(value) {
            Ok(text) => feed_json(digest, &text),
            Err(_) => Err(problem),
        },
    }
}

/// Feeds JSON that is nested no deeper than a `Value` may be: the stack has an end.
fn feed_json(digest: &mut Sha256, text: &str) -> serde_json::Result<()> {
    serde_json::from_str::<Value>(text)?;
    feed_text(digest, text)
}

/// Feeds what [`feed`] would feed if a `Value` had room for integers of any length.
fn feed_text(digest: &mut Sha256, text: &str) -> serde_json::Result<()> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digest.update(b"#");
        feed_bytes(digest, text.as_bytes());
        return Ok(());
    }
    match text.as_bytes().first() {
        Some(b'[') => {
            digest.update(b"[");
            for item in serde_json::from_str::<Vec<&RawValue>>(text)? {
                feed_text(digest, item.get())?;
            }
            digest.update(b"]");
        }
        Some(b'{') => {
            digest.update(b"{");
            for (name, value) in serde_json::from_str::<BTreeMap<String, &RawValue>>(text)? {
                feed_bytes(digest, name.as_bytes());
                feed_text(digest, value.get())?;
            }
            digest.update(b"}");
        }
        _ => feed(digest, &serde_json::from_str(text)?),
    }
    Ok(())
}

/// Feeds a value so that different values are fed differently, and equal ones equally, whatever order another
/// crate has chosen for the maps of `serde_json`.
fn feed(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Null => digest.update(b"n"),
        Value::Bool(value) => digest.update(if *value { b"t" } else { b"f" }),
        Value::Number(number) => {
            digest.update(b"#");
            feed_bytes(digest, number.to_string().as_bytes());
        }
        Value::String(text) => {
            digest.update(b"s");
            feed_bytes(digest, text.as_bytes());
        }
        Value::Array(items) => {
            digest.update(b"[");
            for item in items {
                feed(digest, item);
            }
            digest.update(b"]");
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            digest.update(b"{");
            for (name, value) in fields {
                feed_bytes(digest, name.as_bytes());
                feed(digest, value);
            }
            digest.update(b"}");
        }
    }
}

/// Feeds bytes with their length before them, so that the next piece cannot seem to belong to them.
fn feed_bytes(digest: &mut Sha256, bytes: &[u8]) {
    digest.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Serialize;
    use sha2::{Digest, Sha256};

    use super::{Fingerprint, feed_text, first_bits};

    fn of<T: Serialize>(value: T) -> Fingerprint {
        Fingerprint::of(&value).unwrap()
    }

    #[test]
    fn different_values_have_different_fingerprints() {
        let all = [
            of(()),
            of(0),
            of("0"),
            of(""),
            of(false),
            of(("ab", "c")),
            of(("a", "bc")),
            of([["a"], ["b"]]),
            of([["a", "b"]]),
            of(1.5),
            of(HashMap::from([("a", 1)])),
            of(("a", 1)),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
    }

    #[test]
    fn the_order_of_a_map_does_not_matter() {
        let names: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        let map = |names: &[String]| -> HashMap<String, u8> {
            names.iter().map(|name| (name.clone(), 1)).collect()
        };
        assert_eq!(of(map(&names)), of(map(&names)));
    }

    #[test]
    fn integers_of_any_length_have_one() {
        let large = u128::from(u64::MAX) + 1;
        let all = [
            of(large),
            of(large + 1),
            of(u128::MAX),
            of(i128::MIN),
            of(large.to_string()),
            of([large]),
            of((large, 1)),
            of((1, large)),
            of(u64::MAX),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
        assert_eq!(of(u128::from(u64::MAX)), of(u64::MAX));
    }

    #[test]
    fn the_order_of_a_map_of_long_integers_does_not_matter() {
        #[derive(Serialize)]
        struct Forth {
            a: u128,
            b: u128,
        }
        #[derive(Serialize)]
        struct Back {
            b: u128,
            a: u128,
        }
        let (a, b) = (1, u128::MAX);
        assert_eq!(of(Forth { a, b }), of(Back { b, a }));
    }

    #[test]
    fn what_is_nested_deeper_than_the_stack_has_room_for_is_refused() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(Fingerprint::of_json(deep.as_bytes()).is_err());
        let raw = serde_json::value::RawValue::from_string(deep).unwrap();
        assert!(Fingerprint::of(&raw).is_err());
    }

    /// A value that has room for long integers has the fingerprint which it had when it had none.
    #[test]
    fn text_is_fed_as_its_value_is() {
        #[derive(Serialize)]
        struct All<'a> {
            text: &'a str,
            numbers: (i8, u64, f64, i64),
            nothing: (),
            list: Vec<Option<bool>>,
            map: HashMap<&'a str, u8>,
        }
        let all = All {
            text: "größe \"1\"\n",
            numbers: (-7, u64::MAX, 0.5, i64::MIN),
            nothing: (),
            list: vec![None, Some(true), Some(false)],
            map: HashMap::from([("a", 1), ("b", 2)]),
        };
        let mut digest = Sha256::new();
        feed_text(&mut digest, &serde_json::to_string(&all).unwrap()).unwrap();
        assert_eq!(Fingerprint(first_bits(digest)), of(&all));
    }

    /// Processes of different versions compare them.
    #[test]
    fn a_fingerprint_stays_what_it_is() {
        let bits = super::bits_of([b"order".as_slice(), b"7"]);
        assert_eq!(bits, super::bits_of([b"order".as_slice(), b"7"]));
        assert_eq!(format!("{:032x}", of(("order", 7)).0).len(), 32);
    }
}
