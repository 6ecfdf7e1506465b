//! Maps and sets by owner. Owners are random bits already, so hashing them again gains nothing.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use super::OwnerId;

/// A map by owner.
pub(crate) type OwnerMap<V> = HashMap<OwnerId, V, BuildHasherDefault<OwnerHasher>>;

/// A set of owners.
pub(crate) type OwnerSet = HashSet<OwnerId, BuildHasherDefault<OwnerHasher>>;

/// Takes the bits of an owner for its hash.
#[derive(Debug, Default)]
pub(crate) struct OwnerHasher(u64);

impl Hasher for OwnerHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, bits: u128) {
        let [high, low] =
            [bits >> 64, bits].map(|bits| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0));
        self.0 = high ^ low;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
