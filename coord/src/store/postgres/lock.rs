//! What keeps two transactions off the same thing: advisory locks, by number.
//!
//! The numbers are the same in every version of this crate, and differ between schemas. Two things that share one by
//! chance wait for each other and come to no harm.

use sha2::{Digest, Sha256};

/// What a name is the name of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject {
    Record,
    Lease,
    Log,
    /// The schema itself, while it is made.
    Schema,
}

impl Subject {
    /// The letter that stands in front of its names in topics.
    fn letter(self) -> u8 {
        match self {
            Self::Record => b'r',
            Self::Lease => b'l',
            Self::Log => b'g',
            Self::Schema => b's',
        }
    }

    /// The name under which changes of it are told.
    pub(super) fn topic(self, name: &str) -> Vec<u8> {
        [&[self.letter()], name.as_bytes()].concat()
    }

    /// The number of its lock.
    pub(super) fn lock(self, schema: &str, name: &[u8]) -> i64 {
        let digest = Sha256::new()
            .chain_update([self.letter()])
            .chain_update(schema)
            .chain_update([0])
            .chain_update(name)
            .finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |number, byte| (number << 8) | i64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes of other versions take the same ones.
    #[test]
    fn numbers_stay_as_they_are() {
        let number = Subject::Record.lock("coord", b"a");
        assert_eq!(number, -5_774_555_139_841_386_208);
    }
}
