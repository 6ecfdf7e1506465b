//! etcd's leases, which let keys end.
//!
//! What this process writes within a short time, and with the same ttl, shares a lease. It is granted for longer than the
//! ttl, so it can be attached for a while, and what it is attached to still lasts for its whole ttl. No lease is ever
//! extended, so once it is known when one ends, that need not be asked again. How much longer than the ttl it was
//! granted for is in its number, for everybody to know.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::failure;
use super::link::{Failed, Link};
use super::wire::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
    TxnRequest, TxnResponse,
};
use crate::clock::Moment;
use crate::error::{StoreError, StoreErrorKind};
use crate::store::Result;

const GRANT: &str = "/etcdserverpb.Lease/LeaseGrant";
const TIME_TO_LIVE: &str = "/etcdserverpb.Lease/LeaseTimeToLive";
/// How long what tells of a mutation stays, for those who send it again.
pub(super) const MEMORY: Duration = Duration::from_secs(60);
/// How many keys a lease is attached to. They all go at once.
const KEYS_AT_MOST: usize = 1_000;
/// How many leases' ends are known.
const KNOWN_AT_MOST: usize = 10_000;
/// The bits of a lease's number that say for how many milliseconds longer it was granted.
const EXCESS_BITS: u32 = 23;
const EXCESS: u64 = (1 << EXCESS_BITS) - 1;
/// What a key that is there has left at least, for all we know.
const LEFT_AT_LEAST: Duration = Duration::from_millis(100);
/// How often a transaction is sent with new leases, when those it had have ended.
const TRIES: usize = 5;

#[derive(Default)]
pub(super) struct Grants {
    state: Mutex<State>,
    granting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// By ttl, in milliseconds.
    shared: HashMap<u64, Shared>,
    /// When leases end, at the earliest.
    ends: HashMap<i64, (Moment, Duration)>,
}

struct Shared {
    id: i64,
    granted: Moment,
    usable_for: Duration,
    keys: usize,
}

impl Shared {
    fn is_usable(&self) -> bool {
        self.keys < KEYS_AT_MOST && self.granted.elapsed() < self.usable_for
    }
}

impl Grants {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self, ttl: u64) -> Option<i64> {
        let mut state = self.state();
        let shared = state.shared.get_mut(&ttl)?;
        if !shared.is_usable() {
            return None;
        }
        shared.keys += 1;
        Some(shared.id)
    }

    fn share(&self, ttl: u64, shared: Shared) {
        let mut state = self.state();
        state.shared.retain(|_, shared| shared.is_usable());
        state.shared.insert(ttl, shared);
    }

    pub(super) fn forget(&self, leases: &[i64]) {
        self.state()
            .shared
            .retain(|_, shared| !leases.contains(&shared.id));
    }

    fn remember_end(&self, lease: i64, from: Moment, left: Duration) {
        let mut state = self.state();
        if state.ends.len() >= KNOWN_AT_MOST {
            state.ends.retain(|_, (from, left)| from.elapsed() < *left);
            if state.ends.len() >= KNOWN_AT_MOST {
                state.ends.clear();
            }
        }
        state.ends.insert(lease, (from, left));
    }

    /// What is left of a lease, if that is known and more than nothing.
    fn left(&self, lease: i64) -> Option<Duration> {
        let state = self.state();
        let (from, left) = state.ends.get(&lease)?;
        left.checked_sub(from.elapsed())
            .filter(|left| !left.is_zero())
    }
}

/// A lease with which a key lasts for this long, and a little longer. 0 without a ttl.
pub(super) async fn lease(
    link: &Link,
    operation: &'static str,
    ttl: Option<Duration>,
) -> Result<i64> {
    let Some(ttl) = ttl else { return Ok(0) };
    let milliseconds = u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    if let Some(id) = link.grants.shared(milliseconds) {
        return Ok(id);
    }
    // Who has the turn may be waiting for the server: not each waits for its answer anew.
    let turn = tokio::time::timeout(link.response_timeout, link.grants.granting.lock());
    let _turn = turn.await.map_err(|_| failure::of_connecting(operation))?;
    if let Some(id) = link.grants.shared(milliseconds) {
        return Ok(id);
    }
    let longer = if ttl == MEMORY {
        MEMORY.as_millis()
    } else {
        (ttl.as_millis() / 8).clamp(1_000, 600_000)
    };
    let longer = u64::try_from(longer).unwrap_or(1_000);
    let seconds = milliseconds.saturating_add(longer).div_ceil(1_000);
    let excess = seconds.saturating_mul(1_000).saturating_sub(milliseconds) & EXCESS;
    let (id, granted, lasts) = grant(link, operation, seconds, excess).await?;
    link.grants
        .remember_end(id, granted, Duration::from_secs(lasts));
    let shared = Shared {
        id,
        granted,
        usable_for: Duration::from_millis(excess),
        keys: 1,
    };
    link.grants.share(milliseconds, shared);
    Ok(id)
}

/// A lease of so many seconds, when it was asked for, and for how long it was granted.
async fn grant(
    link: &Link,
    operation: &'static str,
    seconds: u64,
    excess: u64,
) -> Result<(i64, Moment, u64)> {
    for _ in 0..TRIES {
        let random = rand::random::<u64>() << EXCESS_BITS | excess;
        let id = i64::try_from(random & (u64::MAX >> 1)).unwrap_or(i64::MAX);
        let asked = LeaseGrantRequest {
            ttl: i64::try_from(seconds).unwrap_or(i64::MAX),
            id,
        };
        let granted = Moment::now();
        let answer: std::result::Result<LeaseGrantResponse, _> =
            link.call(operation, GRANT, &asked).await;
        match answer {
            Ok(answer) => {
                let lasts = u64::try_from(answer.ttl).unwrap_or(seconds);
                return Ok((id, granted, lasts));
            }
            // It was granted when it was asked for before, or to another: that one ends by itself.
            Err(Failed::LeaseExists) => {}
            Err(failed) => return Err(not_sent(operation, failed)),
        }
    }
    Err(failure::of_contention(operation))
}

/// Does a transaction with leases that last for these times, anew if one of them has ended, and tells which they were.
pub(super) async fn txn<const N: usize>(
    link: &Link,
    operation: &'static str,
    ttls: [Option<Duration>; N],
    txn: impl Fn([i64; N]) -> TxnRequest + Send,
) -> Result<(TxnResponse, [i64; N])> {
    for _ in 0..TRIES {
        let mut leases = [0; N];
        for (lease_id, ttl) in leases.iter_mut().zip(ttls) {
            *lease_id = lease(link, operation, ttl).await?;
        }
        match link.txn(operation, &txn(leases)).await {
            Err(Failed::LeaseNotFound) => link.grants.forget(&leases),
            Err(failed) => return Err(failed.into_error(operation)),
            Ok(response) => return Ok((response, leases)),
        }
    }
    Err(failure::of_contention(operation))
}

/// What a key with this lease has left of its ttl. None, if it has none.
pub(super) async fn left(
    link: &Link,
    operation: &'static str,
    lease: i64,
) -> Result<Option<Duration>> {
    if lease == 0 {
        return Ok(None);
    }
    let left = match link.grants.left(lease) {
        Some(left) => left,
        None => ask(link, operation, lease).await?,
    };
    Ok(Some(of_ttl(lease, left)))
}

/// The same without asking, if it is known. None, if it is not, or has no end.
pub(super) fn known_left(link: &Link, lease: i64) -> Option<Duration> {
    Some(of_ttl(lease, link.grants.left(lease)?))
}

fn of_ttl(lease: i64, left: Duration) -> Duration {
    let excess = u64::try_from(lease).unwrap_or(0) & EXCESS;
    let left = left.saturating_sub(Duration::from_millis(excess));
    left.max(LEFT_AT_LEAST)
}

async fn ask(link: &Link, operation: &'static str, lease: i64) -> Result<Duration> {
    let from = Moment::now();
    let asked = LeaseTimeToLiveRequest { id: lease };
    let answer: std::result::Result<LeaseTimeToLiveResponse, _> =
        link.call(operation, TIME_TO_LIVE, &asked).await;
    let seconds = match answer {
        Ok(answer) => u64::try_from(answer.ttl).unwrap_or(0),
        Err(Failed::LeaseNotFound) => 0,
        Err(failed) => return Err(not_sent(operation, failed)),
    };
    let left = Duration::from_secs(seconds);
    link.grants.remember_end(lease, from, left);
    Ok(left)
}

/// What a lease is wanted for was not sent yet.
fn not_sent(operation: &'static str, failed: Failed) -> StoreError {
    let error = failed.into_error(operation);
    if error.may_have_applied() {
        error.of_kind(StoreErrorKind::NotApplied)
    } else {
        error
    }
}
