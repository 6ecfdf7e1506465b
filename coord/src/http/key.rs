//! The key of a request: read from its header, and put together with its caller's scope.

use std::convert::Infallible;

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::visitor::Ignored;
use sfv::{BareItemFromInput, Parser, Version};
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::error::Error;
use crate::key::{Key, MAX_KEY_BYTES, Renderer};

/// The most characters of a key in the `Idempotency-Key` header.
pub const LONGEST_KEY: usize = 255;

static HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The key in the header; `None` if there is no such header.
pub(super) fn in_header(
    headers: &HeaderMap,
    accept_unquoted: bool,
) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(&HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::malformed_key("It is given more than once."));
    }
    let key = if accept_unquoted && is_unquoted(value) {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    } else {
        quoted(value)?
    };
    if key.is_empty() {
        return Err(Problem::malformed_key("It is empty."));
    }
    if key.len() > LONGEST_KEY {
        let detail = format!("It is longer than {LONGEST_KEY} characters.");
        return Err(Problem::malformed_key(detail));
    }
    Ok(Some(key))
}

/// Whether the value has nothing in it that means something in a structured field.
fn is_unquoted(value: &HeaderValue) -> bool {
    let means_nothing =
        |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',' | b';');
    value.as_bytes().iter().all(means_nothing)
}

/// The text of a structured field that is a string. Its parameters must be well-formed and mean nothing.
fn quoted(value: &HeaderValue) -> Result<String, Problem> {
    let mut text = None;
    let parsed = Parser::new(value.as_bytes())
        .with_version(Version::Rfc8941)
        .parse_item_with_visitor(|item: BareItemFromInput<'_>| {
            if let BareItemFromInput::String(string) = item {
                text = Some(string.as_str().to_owned());
            }
            Ok::<_, Infallible>(Ignored)
        });
    parsed.ok().and(text).ok_or_else(|| {
        Problem::malformed_key("It must be one string in double quotes, as in RFC 8941.")
    })
}

/// The key in the store. Different scopes and keys never meet:
///
/// 1. What is encoded has no `:` in it, so the one between them tells where the scope ends.
/// 2. What is too long for a key is replaced by its SHA-256, behind another beginning.
/// 3. No template renders a key with `%h`, so these meet none of the keys of attributes.
pub(super) fn in_store(scope: &str, key: &str, label: &'static str) -> Result<Key, Error> {
    let (scope, key) = (Renderer::encoded(scope), Renderer::encoded(key));
    let mut name = format!("%http:{scope}:{key}");
    if name.len() > MAX_KEY_BYTES {
        let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        let digits = digest.iter().map(|byte| format!("{byte:02x}"));
        name = format!("%http.{}", digits.collect::<String>());
    }
    Key::labelled(name.into(), label)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_KEY, MAX_KEY_BYTES, in_store};

    #[test]
    fn different_scopes_and_keys_never_meet() {
        let long = "%".repeat(LONGEST_KEY);
        let texts = ["", "a", ":", "a:", ":a", "%", "%3A", "é", &long];
        let mut names = std::collections::HashSet::new();
        for scope in texts {
            for key in texts {
                let name = in_store(scope, key, "http").unwrap();
                assert!(name.as_str().len() <= MAX_KEY_BYTES);
                assert!(names.insert(name), "{scope} {key}");
            }
        }
    }
}
