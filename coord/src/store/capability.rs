//! What a store guarantees, in terms that a table can be made of.

use std::time::Duration;

/// How far atomicity reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consistency {
    /// Linearizable, replicas included: a failure of a minority loses nothing.
    Linearizable,
    /// Linearizable as long as there is one server (or one file, or one process).
    SingleNode,
    /// Linearizable at the primary; a failover can lose what replicas had not got yet.
    AsyncReplicated,
    /// A majority of independent stores decides.
    Quorum,
    /// Not known.
    Unknown,
}

/// Whose clock decides when something expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockSource {
    /// The server's.
    Server,
    /// That of the host which all processes share.
    Host,
    /// This process's own.
    Process,
    /// Not known.
    Unknown,
}

/// What is still there after the store itself has crashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Everything that was acknowledged.
    Synced,
    /// Whatever the server's configuration keeps; perhaps nothing.
    AsConfigured,
    /// Nothing: it lives in memory.
    None,
    /// Not known.
    Unknown,
}

/// What a store guarantees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// How far atomicity reaches.
    pub consistency: Consistency,
    /// Whether a waiter is woken by the store, or has to poll.
    pub native_wake_ups: bool,
    /// Whose clock decides when something expires.
    pub clock: ClockSource,
    /// What survives a crash of the store.
    pub durability: Durability,
    /// The shortest ttl; a shorter one is rounded up to it.
    pub smallest_ttl: Duration,
}

impl Capabilities {
    /// The least that can be said: what a store of four methods gets by default.
    pub const fn unknown() -> Self {
        Self {
            consistency: Consistency::Unknown,
            native_wake_ups: false,
            clock: ClockSource::Unknown,
            durability: Durability::Unknown,
            smallest_ttl: Duration::from_millis(1),
        }
    }

    /// These capabilities, with another consistency.
    pub const fn with_consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// These capabilities, with wake-ups by the store or without.
    pub const fn with_native_wake_ups(mut self, native: bool) -> Self {
        self.native_wake_ups = native;
        self
    }

    /// These capabilities, with another clock.
    pub const fn with_clock(mut self, clock: ClockSource) -> Self {
        self.clock = clock;
        self
    }

    /// These capabilities, with another durability.
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// These capabilities, with another smallest ttl.
    pub const fn with_smallest_ttl(mut self, smallest: Duration) -> Self {
        self.smallest_ttl = smallest;
        self
    }
}
