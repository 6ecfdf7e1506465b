//! Names that no other test uses.

use std::hash::{BuildHasher, RandomState};

/// A name that begins with `prefix` and occurs nowhere else: a namespace or a key on a shared server.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:016x}", random())
}

/// 64 random bits: the standard library seeds every hasher state anew.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
