//! Fingerprints: what tells that a key was used for another request.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// A digest of the arguments of a call: 128 bits of a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint(#[serde(with = "super::record::halves")] u128);

impl Fingerprint {
    /// The fingerprint of a value as serde sees it. The order of a map's entries does not matter.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        let value = serde_json::to_value(value).map_err(|problem| not_json(&problem))?;
        let mut digest = Sha256::new();
        feed(&mut digest, &value);
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
        match serde_json::to_value(part) {
            Ok(value) => {
                feed_bytes(&mut self.digest, name.as_bytes());
                feed(&mut self.digest, &value);
            }
            Err(problem) => {
                self.problem.get_or_insert_with(|| not_json(&problem));
            }
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

    use super::Fingerprint;

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

    /// Processes of different versions compare them.
    #[test]
    fn a_fingerprint_stays_what_it_is() {
        let bits = super::bits_of([b"order".as_slice(), b"7"]);
        assert_eq!(bits, super::bits_of([b"order".as_slice(), b"7"]));
        assert_eq!(format!("{:032x}", of(("order", 7)).0).len(), 32);
    }
}
