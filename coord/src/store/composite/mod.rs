//! Stores that are made of stores. They see no more of these than the trait.

mod copy;
mod fallback;
mod mirror;
mod quorum;
mod routed;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use fallback::Fallback;
pub use mirror::Mirror;
pub use quorum::{Quorum, Repaired};
pub use routed::Routed;
use tokio::time::Instant;

use super::{
    Capabilities, ClockSource, Consistency, Durability, ReplicaLoss, RoundTrips, TokensGrow,
};

/// What can be said of several stores together: of each thing, the least that one of them gives.
fn together(stores: impl IntoIterator<Item = Capabilities>) -> Capabilities {
    stores
        .into_iter()
        .reduce(both)
        .unwrap_or_else(Capabilities::unknown)
}

fn both(one: Capabilities, other: Capabilities) -> Capabilities {
    let together = Capabilities::unknown()
        .with_consistency(weaker(
            one.consistency,
            other.consistency,
            Consistency::Unknown,
        ))
        .with_native_wake_ups(one.native_wake_ups && other.native_wake_ups)
        .with_clock(weaker(one.clock, other.clock, ClockSource::Unknown))
        .with_durability(weaker(
            one.durability,
            other.durability,
            Durability::Unknown,
        ))
        .with_smallest_ttl(one.smallest_ttl.max(other.smallest_ttl))
        .with_largest_value(one.largest_value.min(other.largest_value))
        .with_replica_loss(weaker(
            one.replica_loss,
            other.replica_loss,
            ReplicaLoss::Unknown,
        ))
        .with_tokens(weaker(one.tokens, other.tokens, TokensGrow::Unknown))
        .with_scans(one.scans && other.scans);
    match one.round_trips.zip(other.round_trips) {
        Some((one, other)) => together.with_round_trips(RoundTrips {
            acquire: one.acquire.max(other.acquire),
            release: one.release.max(other.release),
            put: one.put.max(other.put),
            append: one.append.max(other.append),
        }),
        None => together,
    }
}

/// What can be said of a store whose records and logs are copied to another.
fn copied(original: Capabilities, copy: Capabilities) -> Capabilities {
    let all = original
        .with_smallest_ttl(original.smallest_ttl.max(copy.smallest_ttl))
        .with_largest_value(original.largest_value.min(copy.largest_value))
        // Leases are not copied.
        .with_replica_loss(ReplicaLoss::Latest);
    match original.round_trips.zip(copy.round_trips) {
        Some((first, second)) => all.with_round_trips(RoundTrips {
            // Both are written and read, and a first copy is compared with the original once more.
            put: first
                .put
                .saturating_mul(3)
                .saturating_add(second.put.saturating_mul(2)),
            append: first.append.saturating_add(second.append),
            ..first
        }),
        None => all,
    }
}

/// Of two that differ, neither can be said of both.
fn weaker<T: PartialEq + Copy>(one: T, other: T, unknown: T) -> T {
    if one == other { one } else { unknown }
}

/// Remembers for a while that a store keeps others waiting.
#[derive(Debug, Default)]
struct Away(Mutex<Option<Instant>>);

impl Away {
    fn is_away(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn is_not_waited_for(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time);
    }
}
