//! The Redis protocol, as far as a proxy that looks into it and a small client need it.

use std::borrow::Cow;
use std::fmt;

/// A reply, or a command, which is an array of bulk strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// An integer.
    Int(i64),
    /// A line of text such as `OK`. Booleans and numbers with a point are given so too.
    Status(String),
    /// An error reply, with its leading code.
    Error(String),
    /// A string of any bytes.
    Bulk(Vec<u8>),
    /// An array or set. Maps are given so too, each key followed by its value.
    Array(Vec<Value>),
    /// What a server sends unasked.
    Push(Vec<Value>),
}

impl Value {
    /// The text of a status, bulk string, error or integer; what is not UTF-8 is replaced.
    ///
    /// # Panics
    ///
    /// For arrays and for no value.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Status(text) | Self::Error(text) => Cow::Borrowed(text),
            Self::Bulk(bytes) => String::from_utf8_lossy(bytes),
            Self::Int(number) => Cow::Owned(number.to_string()),
            Self::Null | Self::Array(_) | Self::Push(_) => panic!("no text: {self:?}"),
        }
    }

    /// An integer, also one that is written as text.
    ///
    /// # Panics
    ///
    /// When the value is not an integer.
    pub fn int(&self) -> i64 {
        match self {
            Self::Int(number) => *number,
            _ => self
                .text()
                .parse()
                .unwrap_or_else(|_| panic!("no integer: {self:?}")),
        }
    }

    /// The elements of an array.
    ///
    /// # Panics
    ///
    /// When the value is not an array.
    pub fn array(&self) -> &[Value] {
        match self {
            Self::Array(items) | Self::Push(items) => items,
            _ => panic!("no array: {self:?}"),
        }
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// The bytes of the element at `index`, when this is an array that has one and it is a bulk string.
    pub(crate) fn word(&self, index: usize) -> Option<&[u8]> {
        match self {
            Self::Array(items) | Self::Push(items) => match items.get(index) {
                Some(Self::Bulk(bytes)) => Some(bytes),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Bytes that are not of the Redis protocol.
#[derive(Debug)]
pub(crate) struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the Redis protocol: {}", self.0)
    }
}

/// What was read, and how many bytes it took; nothing while more bytes are needed.
pub(crate) type Parsed = Result<Option<(Value, usize)>, Malformed>;

/// Reads the first reply in `bytes`.
pub(crate) fn parse_reply(bytes: &[u8]) -> Parsed {
    let mut reader = Reader { bytes, at: 0 };
    Ok(reader.value()?.map(|value| (value, reader.at)))
}

/// Reads the first command in `bytes`: an array of bulk strings, or words on a line.
pub(crate) fn parse_command(bytes: &[u8]) -> Parsed {
    match bytes.first() {
        None => Ok(None),
        Some(b'*') => parse_reply(bytes),
        Some(_) => {
            let mut reader = Reader { bytes, at: 0 };
            let line = reader.line();
            let words = |line: &[u8]| {
                line.split(u8::is_ascii_whitespace)
                    .map(|word| Value::Bulk(word.to_vec()))
                    .collect()
            };
            Ok(line.map(|line| (Value::Array(words(line)), reader.at)))
        }
    }
}

/// The bytes of a command.
pub fn encode(words: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words.iter().map(AsRef::as_ref) {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Option<Value>, Malformed> {
        let Some(line) = self.line() else {
            return Ok(None);
        };
        let Some((&kind, rest)) = line.split_first() else {
            return Err(Malformed("an empty line".to_owned()));
        };
        let text = || String::from_utf8_lossy(rest).into_owned();
        match kind {
            b'+' | b',' | b'#' | b'(' => Ok(Some(Value::Status(text()))),
            b'-' => Ok(Some(Value::Error(text()))),
            b'_' => Ok(Some(Value::Null)),
            b':' => Ok(Some(Value::Int(number(rest)?))),
            b'$' | b'=' => self.bulk(rest, Value::Bulk),
            b'!' => self.bulk(rest, |bytes| {
                Value::Error(String::from_utf8_lossy(&bytes).into_owned())
            }),
            b'*' | b'~' => self.items(rest, 1, Value::Array),
            b'%' => self.items(rest, 2, Value::Array),
            b'>' => self.items(rest, 1, Value::Push),
            // Attributes stand before the value that they belong to.
            b'|' => match self.items(rest, 2, Value::Array)? {
                Some(_) => self.value(),
                None => Ok(None),
            },
            _ => Err(Malformed(format!(
                "a line that begins with {:?}",
                char::from(kind)
            ))),
        }
    }

    /// The rest of the current line without its end.
    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        self.at += end + 1;
        Some(rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]))
    }

    fn bulk(
        &mut self,
        length: &[u8],
        of: impl Fn(Vec<u8>) -> Value,
    ) -> Result<Option<Value>, Malformed> {
        let Ok(length) = usize::try_from(number(length)?) else {
            return Ok(Some(Value::Null));
        };
        let rest = &self.bytes[self.at..];
        if rest.len() < length + 2 {
            return Ok(None);
        }
        self.at += length + 2;
        Ok(Some(of(rest[..length].to_vec())))
    }

    fn items(
        &mut self,
        count: &[u8],
        each: usize,
        of: impl Fn(Vec<Value>) -> Value,
    ) -> Result<Option<Value>, Malformed> {
        let Ok(count) = usize::try_from(number(count)?) else {
            return Ok(Some(Value::Null));
        };
        let mut items = Vec::new();
        for _ in 0..count * each {
            match self.value()? {
                Some(item) => items.push(item),
                None => return Ok(None),
            }
        }
        Ok(Some(of(items)))
    }
}

fn number(text: &[u8]) -> Result<i64, Malformed> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            Malformed(format!(
                "{:?} in place of a number",
                String::from_utf8_lossy(text)
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    #[test]
    fn a_command_reads_back_as_it_was_written() {
        let bytes = encode(&["SET", "key", "with\r\nlines"]);
        let (command, length) = parse_command(&bytes).unwrap().unwrap();
        assert_eq!(length, bytes.len());
        assert_eq!(
            command,
            Value::Array(vec![bulk("SET"), bulk("key"), bulk("with\r\nlines")])
        );
    }

    #[test]
    fn every_shorter_part_of_a_reply_asks_for_more() {
        let bytes =
            b"|1\r\n+ttl\r\n:1\r\n%2\r\n+a\r\n*2\r\n$1\r\nx\r\n_\r\n+b\r\n~1\r\n#t\r\n:7\r\n";
        let whole = bytes.len() - 4;
        for length in 0..whole {
            assert!(
                parse_reply(&bytes[..length]).unwrap().is_none(),
                "{length} bytes"
            );
        }
        let (value, length) = parse_reply(bytes).unwrap().unwrap();
        assert_eq!(length, whole);
        let status = |text: &str| Value::Status(text.to_owned());
        let nested = Value::Array(vec![bulk("x"), Value::Null]);
        assert_eq!(
            value,
            Value::Array(vec![
                status("a"),
                nested,
                status("b"),
                Value::Array(vec![status("t")])
            ])
        );
    }

    #[test]
    fn words_on_a_line_are_a_command() {
        let (command, length) = parse_command(b"PING now\r\nPING\r\n").unwrap().unwrap();
        assert_eq!(
            (command.word(0), command.word(1), length),
            (Some(&b"PING"[..]), Some(&b"now"[..]), 10)
        );
    }

    #[test]
    fn other_protocols_are_refused() {
        assert!(parse_reply(b"HTTP/1.1 200 OK\r\n").is_err());
        assert!(parse_reply(b"*x\r\n").is_err());
    }
}
