//! Turning a template and its values into a key. The macros call this; they have already checked the
//! template, so all that can go wrong here is a value.

use super::encode::{KeyWriter, VALUE_END};
use super::{Key, KeyPart, invalid};
use crate::error::Error;

/// Renders one key, segment by segment.
#[derive(Debug)]
pub struct Renderer {
    text: String,
    template: &'static str,
    problem: Option<Error>,
}

impl Renderer {
    /// Starts the key of `template`.
    pub fn new(template: &'static str) -> Self {
        Self {
            text: String::with_capacity(template.len() + 24),
            template,
            problem: None,
        }
    }

    /// Appends literal text of the template.
    pub fn literal(mut self, text: &str) -> Self {
        for (index, piece) in text.split('%').enumerate() {
            if index > 0 {
                self.text.push_str("%%");
            }
            self.text.push_str(piece);
        }
        self
    }

    /// Appends the value of the segment called `name`. `separator` is the literal between it and the next
    /// value, and empty for the last value of the template.
    pub fn value<P: KeyPart + ?Sized>(
        self,
        name: &'static str,
        value: &P,
        separator: &str,
    ) -> Self {
        self.encode(name, value, separator)
    }

    /// Appends a value that another value follows directly.
    pub fn value_before_value<P: KeyPart + ?Sized>(self, name: &'static str, value: &P) -> Self {
        let mut key = self.encode(name, value, "");
        key.text.push_str(VALUE_END);
        key
    }

    /// The finished key.
    pub fn finish(self) -> Result<Key, Error> {
        match self.problem {
            Some(problem) => Err(problem),
            None => Key::labelled(self.text.into(), self.template),
        }
    }

    /// Any text, encoded as a value is.
    pub(crate) fn encoded(text: &str) -> String {
        let mut encoded = String::with_capacity(text.len());
        KeyWriter::new(&mut encoded, "").write_str(text);
        encoded
    }

    /// What [`encoded`](Self::encoded) was given; `None` if the text does not come from there.
    #[cfg(feature = "redis")]
    pub(crate) fn decoded(encoded: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(encoded.len());
        let mut rest = encoded.as_bytes();
        while let [first, behind @ ..] = rest {
            rest = behind;
            if *first != b'%' {
                bytes.push(*first);
                continue;
            }
            let (digits, behind) = behind.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        }
        String::from_utf8(bytes).ok()
    }

    fn encode<P: KeyPart + ?Sized>(
        mut self,
        name: &'static str,
        value: &P,
        separator: &str,
    ) -> Self {
        let mut writer = KeyWriter::new(&mut self.text, separator);
        value.write_key(&mut writer);
        if writer.wrote_nothing() && self.problem.is_none() {
            let problem = format!("the value of `<{name}>` is empty; check it before the call");
            self.problem = Some(invalid(self.template, problem));
        }
        self
    }
}
