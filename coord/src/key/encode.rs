//! How a value is written into a key so that it cannot be taken for anything else.
//!
//! The argument for injectivity. A template is literals and values in turn: `L0 <v1> L1 <v2> L2 …`.
//!
//! 1. A value is written with letters, digits and `-_.~`, every other byte as `%` and two upper-case
//!    hexadecimal digits. A literal is written as it stands, but for `%`, which is written `%%`. So the text
//!    reads from the left as a sequence of units, each a plain character, `%XX` or `%%`.
//! 2. If the literal between two values has a unit that no value has (`:` or `/`, say), the first such unit
//!    behind the start of a value belongs to that literal, at a known place in it: it tells where the value
//!    ends.
//! 3. If it has none (`-`, say), its characters are encoded within the value before it, so that the first of
//!    them that stands there plainly begins the literal.
//! 4. Where the literal is missing altogether, `%.` ends the value; no other unit looks so.
//! 5. What stands behind the last value has a known length. A value is never empty.
//!
//! Hence the values can be read back from the key, and two different lists of them give different keys.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Ends a value that another value follows directly.
pub(super) const VALUE_END: &str = "%.";

/// Where a [`KeyPart`](crate::KeyPart) writes itself. What is written is encoded on the way, so an
/// implementation need not think of separators.
#[derive(Debug)]
pub struct KeyWriter<'a> {
    text: &'a mut String,
    reserved: &'a str,
    written: bool,
}

impl<'a> KeyWriter<'a> {
    /// A writer of a value that `separator` stands behind, and behind that another value.
    pub(super) fn new(text: &'a mut String, separator: &'a str) -> Self {
        let ends_a_value = separator.bytes().any(|byte| !is_unreserved(byte));
        Self {
            text,
            reserved: if ends_a_value { "" } else { separator },
            written: false,
        }
    }

    /// Writes text, encoding what could be taken for the template's own characters.
    pub fn write_str(&mut self, value: &str) {
        self.written |= !value.is_empty();
        for &byte in value.as_bytes() {
            if self.is_plain(byte) {
                self.text.push(char::from(byte));
            } else {
                self.text.push('%');
                self.text.push(char::from(HEX[usize::from(byte >> 4)]));
                self.text.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }

    pub(super) fn wrote_nothing(&self) -> bool {
        !self.written
    }

    fn is_plain(&self, byte: u8) -> bool {
        is_unreserved(byte) && !self.reserved.as_bytes().contains(&byte)
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

impl std::fmt::Write for KeyWriter<'_> {
    fn write_str(&mut self, value: &str) -> std::fmt::Result {
        KeyWriter::write_str(self, value);
        Ok(())
    }
}
