//! Where things stand in the server's tree, below the folder that the URL names.
//!
//! | node | what |
//! |---|---|
//! | `clock` | is written to learn the server's time |
//! | `tokens/<number>` | what is added to the number of a transaction to make a fencing token of it |
//! | `records/<shard>/<key>` | a record, with its mark below it |
//! | `listed/…/<key>` | a record that can be listed; each part of the key up to a `/` is a folder |
//! | `lines/<shard>/<resource>` | the line of a resource, with its mark below it |
//! | `logs/<shard>/<log>` | a log, with its entries below it |
//! | `sweep` | where sweeping goes on |
//!
//! Names are spread over shards, since the server tells of a folder only all of it at once.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::store::percent;

/// How many shards there are.
pub(super) const SHARDS: usize = 256;

/// The folder in which everything is.
#[derive(Debug, Clone)]
pub(super) struct Root(String);

impl Root {
    /// From what the URL says: a path that begins with `/`, and does not end so.
    pub(super) fn new(path: String) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &str {
        &self.0
    }

    pub(super) fn clock(&self) -> String {
        format!("{}/clock", self.0)
    }

    pub(super) fn tokens(&self) -> String {
        format!("{}/tokens", self.0)
    }

    pub(super) fn tokens_from(&self, base: u64) -> String {
        format!("{}/tokens/{base:016x}", self.0)
    }

    pub(super) fn sweep(&self) -> String {
        format!("{}/sweep", self.0)
    }

    pub(super) fn record(&self, key: &str) -> String {
        self.sharded("records", key)
    }

    pub(super) fn line(&self, resource: &str) -> String {
        self.sharded("lines", resource)
    }

    pub(super) fn log(&self, log: &str) -> String {
        self.sharded("logs", log)
    }

    pub(super) fn shard(&self, kind: &str, shard: usize) -> String {
        format!("{}/{kind}/{shard:02x}", self.0)
    }

    /// The folder of what can be listed whose keys begin so, as far as whole folders go, and how their keys begin.
    pub(super) fn listed_folder<'p>(&self, prefix: &'p str) -> (String, &'p str) {
        let whole = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
        let mut path = format!("{}/listed", self.0);
        for part in whole.split_terminator('/') {
            path.push_str("/f");
            escape(part, &mut path);
        }
        (path, whole)
    }

    pub(super) fn listed(&self, key: &str) -> String {
        let (mut path, whole) = self.listed_folder(key);
        path.push_str("/r");
        escape(&key[whole.len()..], &mut path);
        path
    }

    /// Whether it is the path of a line.
    pub(super) fn is_line(&self, path: &str) -> bool {
        self.below(path)
            .is_some_and(|below| below.starts_with("lines/"))
    }

    /// The log that this is, or is an entry of.
    pub(super) fn log_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        let below = self
            .below(path)
            .filter(|below| below.starts_with("logs/"))?;
        let is_entry = below.matches('/').count() > 2;
        Some(if is_entry {
            path.rsplit_once('/').map_or(path, |(log, _)| log)
        } else {
            path
        })
    }

    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(&self.0)?.strip_prefix('/')
    }

    fn sharded(&self, kind: &str, name: &str) -> String {
        let shard = Sha256::digest(name.as_bytes())[0];
        let mut path = format!("{}/{kind}/{shard:02x}/", self.0);
        escape(name, &mut path);
        path
    }
}

/// The entry of a log.
pub(super) fn entry(log: &str, index: u64) -> String {
    format!("{log}/{index:010}")
}

/// The mark of a cell.
pub(super) fn mark(cell: &str, mark: u128) -> String {
    format!("{cell}/{mark:032x}")
}

/// The folders above a node, from the top.
pub(super) fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices()
        .filter(|(at, char)| *char == '/' && *at > 0)
        .map(|(at, _)| &path[..at])
}

/// Writes a name so that it can be a node's: letters, digits and a few others as they are, each other byte as `%` and
/// two digits.
fn escape(name: &str, to: &mut String) {
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b':' | b'@' | b'+' => {
                to.push(char::from(byte));
            }
            // Writing to a `String` does not fail.
            _ => drop(write!(to, "%{byte:02x}")),
        }
    }
}

/// The name that a node's was made from.
pub(super) fn unescape(name: &str) -> Option<String> {
    percent::decode(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_from_its_node() {
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a\u{0}b",
            "%2f",
            "ä€😀",
            "\u{fff0}",
            "order:42",
        ] {
            let mut node = String::new();
            escape(name, &mut node);
            assert!(
                node.bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'/')
            );
            assert!(node != "." && node != "..");
            assert_eq!(unescape(&node).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_log_is_found_from_its_entries() {
        let root = Root::new("/a/coord".to_owned());
        let log = root.log("x/y");
        assert_eq!(root.log_of(&log), Some(&*log));
        assert_eq!(root.log_of(&entry(&log, 7)), Some(&*log));
        assert_eq!(root.log_of(&root.record("x/y")), None);
    }

    #[test]
    fn parents_come_from_the_top() {
        let parents: Vec<_> = parents("/a/b/c").collect();
        assert_eq!(parents, ["/a", "/a/b"]);
    }
}
