//! What a store guarantees, in terms that a table can be made of.

use std::time::Duration;

use super::limits::{FITS_EVERYWHERE, MAX_VALUE_BYTES};

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

/// What is lost when one of several servers that hold the same data fails for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplicaLoss {
    /// There is one copy, so it is the store that fails.
    NoReplicas,
    /// Nothing, as long as a majority is left.
    Nothing,
    /// What was acknowledged last and had not been copied yet.
    Latest,
    /// Not known.
    Unknown,
}

/// Across what the fencing tokens of a resource grow, besides release, expiry and the death of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokensGrow {
    /// As long as the store keeps its data.
    WithData,
    /// Also when the store has lost all of its data.
    AcrossDataLoss,
    /// Also when it has lost its data, and when a replica that lacks some takes over.
    AcrossFailover,
    /// Not known.
    Unknown,
}

/// How many requests to a server follow each other in an operation that meets no contention. Those that are sent
/// together count as one; nothing is sent at all counts as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundTrips {
    /// Acquiring a free lease.
    pub acquire: u8,
    /// Releasing it.
    pub release: u8,
    /// Putting a record if there is none.
    pub put: u8,
    /// Appending to a log that is not empty.
    pub append: u8,
}

impl RoundTrips {
    /// The same number for each.
    pub const fn each(number: u8) -> Self {
        Self {
            acquire: number,
            release: number,
            put: number,
            append: number,
        }
    }
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
    /// The most bytes of a value. Larger ones are refused before anything is sent.
    pub largest_value: usize,
    /// What is lost with one of several servers.
    pub replica_loss: ReplicaLoss,
    /// Across what tokens grow.
    pub tokens: TokensGrow,
    /// How many requests follow each other in an operation, if it is known.
    pub round_trips: Option<RoundTrips>,
    /// Whether the names of all that is stored can be told: [`Store::scan`](super::Store::scan).
    pub scans: bool,
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
            largest_value: MAX_VALUE_BYTES,
            replica_loss: ReplicaLoss::Unknown,
            tokens: TokensGrow::Unknown,
            round_trips: None,
            scans: false,
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

    /// These capabilities, with another largest value.
    pub const fn with_largest_value(mut self, bytes: usize) -> Self {
        self.largest_value = bytes;
        self
    }

    /// These capabilities, with another loss when one of several servers fails.
    pub const fn with_replica_loss(mut self, loss: ReplicaLoss) -> Self {
        self.replica_loss = loss;
        self
    }

    /// These capabilities, with tokens that grow across something else.
    pub const fn with_tokens(mut self, tokens: TokensGrow) -> Self {
        self.tokens = tokens;
        self
    }

    /// These capabilities, with known numbers of round trips.
    pub const fn with_round_trips(mut self, round_trips: RoundTrips) -> Self {
        self.round_trips = Some(round_trips);
        self
    }

    /// The most bytes of a value of this crate's own: what every store of ours takes, or less in one that takes less.
    pub(crate) fn largest_of_ours(&self) -> usize {
        self.largest_value.min(FITS_EVERYWHERE)
    }

    /// These capabilities, with scans or without.
    pub const fn with_scans(mut self, scans: bool) -> Self {
        self.scans = scans;
        self
    }
}
