//! Percent encoding, read strictly: what is malformed was written by somebody else, or is a mistake.

/// What was encoded. `None` if a percent sign has no two digits behind it, or if it is no text.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, encoded)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = encoded.get(..2)?;
        // A sign would be read as part of a number.
        let byte = u8::from_str_radix(digits, 16).ok()?;
        bytes.push((!digits.starts_with('+')).then_some(byte)?);
        rest = &encoded[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}
