//! Keys: what a lock, an idempotent call or a saga is about.
//!
//! A [`Key`] is text of 1 to 512 bytes. It is taken as it stands from `&str` and `String`, or rendered
//! from a template such as `order:<id>` by [`key!`](crate::key!) and the attributes. Rendering encodes
//! each value so that two different argument lists of one template never give the same key.

mod encode;
mod part;
mod render;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use encode::KeyWriter;
pub use part::KeyPart;
pub use render::Renderer;

use crate::error::Error;

/// The most bytes that a key may have.
pub const MAX_KEY_BYTES: usize = 512;

/// The template that stands in metrics, spans and errors for a key that was given as text.
pub const TEXT_TEMPLATE: &str = "(text)";

/// A checked key, with the template it came from.
///
/// Two keys are equal when their text is; the template only labels metrics, spans and errors, which never
/// show the text itself.
///
/// ```
/// use coord::{Key, key};
///
/// # fn main() -> Result<(), coord::Error> {
/// let id = 42;
/// let key: Key = key!("order:<id>")?;
/// assert_eq!(key.as_str(), "order:42");
/// assert_eq!(key.template(), "order:<id>");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Key {
    text: Arc<str>,
    template: &'static str,
}

impl Key {
    /// A key from text, taken as it stands.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidKey`] if the text is empty or over 512 bytes.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, Error> {
        Self::labelled(text.into(), TEXT_TEMPLATE)
    }

    pub(crate) fn labelled(text: Arc<str>, template: &'static str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(invalid(
                template,
                "it is empty; an empty key would be shared by unrelated callers",
            ));
        }
        if text.len() > MAX_KEY_BYTES {
            let problem = format!(
                "it is {} bytes long and the limit is {MAX_KEY_BYTES}; use an id in place of the long value",
                text.len()
            );
            return Err(invalid(template, problem));
        }
        Ok(Self { text, template })
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// The template it was rendered from, or `(text)`.
    pub fn template(&self) -> &'static str {
        self.template
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

/// What can be used where a key is asked for: a [`Key`], the result of [`key!`](crate::key!), or text,
/// which is taken as it stands.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as a key",
    label = "not a key",
    note = "give text, a `coord::Key`, or a template: `coord::key!(\"order:<id>\")`"
)]
pub trait IntoKey {
    /// Checks the key.
    fn into_key(self) -> Result<Key, Error>;
}

impl IntoKey for Key {
    fn into_key(self) -> Result<Key, Error> {
        Ok(self)
    }
}

impl IntoKey for &Key {
    fn into_key(self) -> Result<Key, Error> {
        Ok(self.clone())
    }
}

impl IntoKey for Result<Key, Error> {
    fn into_key(self) -> Result<Key, Error> {
        self
    }
}

impl IntoKey for &str {
    fn into_key(self) -> Result<Key, Error> {
        Key::new(self)
    }
}

impl IntoKey for String {
    fn into_key(self) -> Result<Key, Error> {
        Key::new(self)
    }
}

impl IntoKey for &String {
    fn into_key(self) -> Result<Key, Error> {
        Key::new(self.as_str())
    }
}

impl IntoKey for Cow<'_, str> {
    fn into_key(self) -> Result<Key, Error> {
        Key::new(&*self)
    }
}

pub(crate) fn invalid(template: &'static str, problem: impl Into<Cow<'static, str>>) -> Error {
    Error::InvalidKey {
        template,
        problem: problem.into(),
    }
}
