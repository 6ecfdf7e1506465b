//! Leases: a line of contenders for a resource, served first come, first served.
//!
//! Each contender has a weight, and the resource a capacity; a contender is granted when the weights up to
//! and including its own fit. A mutex has capacity and weight alike, a semaphore counts permits, a read/write
//! lock gives a reader weight 1 and a writer all there is.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Result, Watch, limits};
use crate::error::{StoreError, StoreErrorKind};

/// A number that says how late a grant is: of two grants of one resource, the later has the greater token.
///
/// Send it along with what the lease protects. A resource that remembers the greatest token it has seen and
/// refuses smaller ones cannot be harmed by a holder that was paused past its lease.
///
/// ```
/// # async fn example(coord: coord::Coordinator) -> Result<(), coord::Error> {
/// let lease = coord.lock("invoice:7").acquire().await?;
/// let token: u64 = lease.token().into();
/// // UPDATE invoice SET total = …, fence = $token WHERE id = 7 AND fence <= $token
/// # let _ = token; Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(u64);

impl FencingToken {
    /// A token of a backend's making.
    pub const fn new(token: u64) -> Self {
        Self(token)
    }
}

/// Where tokens start when none is known: at the time, in units of 2⁻³² seconds, where no earlier process can have
/// been.
pub(super) fn first_token() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    (now.as_secs() << 32) | (u64::from(now.subsec_nanos()) << 2)
}

impl From<FencingToken> for u64 {
    fn from(token: FencingToken) -> Self {
        token.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of one contender: 128 random bits, new for every attempt to acquire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(u128);

impl OwnerId {
    /// A new id.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The id with these bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn to_bits(self) -> u128 {
        self.0
    }
}

impl fmt::Debug for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnerId({:032x})", self.0)
    }
}

/// A contender at a resource.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LeaseId {
    /// The resource.
    pub resource: Arc<str>,
    /// Who.
    pub owner: OwnerId,
}

impl fmt::Debug for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseId")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// A request to enter the line.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// The resource and who asks.
    pub lease: LeaseId,
    /// How much of the capacity it takes.
    pub weight: u32,
    /// How much there is. While contenders disagree (a rolling deploy), the smallest that is present counts.
    pub capacity: u32,
    /// How long the grant lasts without renewal.
    pub ttl: Duration,
    /// How long a place in line lasts without renewal; `None` is not to queue.
    pub wait_ttl: Option<Duration>,
    /// The token must be at least this.
    pub token_floor: Option<FencingToken>,
    /// A name for people: who leads, who holds. May be empty.
    pub label: Arc<str>,
}

impl LeaseRequest {
    /// A request of one who takes the whole resource and does not queue.
    pub fn exclusive(resource: impl Into<Arc<str>>, ttl: Duration) -> Self {
        Self {
            lease: LeaseId {
                resource: resource.into(),
                owner: OwnerId::random(),
            },
            weight: 1,
            capacity: 1,
            ttl,
            wait_ttl: None,
            token_floor: None,
            label: Arc::default(),
        }
    }

    /// Takes `weight` of `capacity`.
    pub fn weighing(mut self, weight: u32, capacity: u32) -> Self {
        self.weight = weight;
        self.capacity = capacity;
        self
    }

    /// Queues, in a place that lasts `wait_ttl` without renewal.
    pub fn queue(mut self, wait_ttl: Duration) -> Self {
        self.wait_ttl = Some(wait_ttl);
        self
    }

    /// Asks for a token of at least `floor`.
    pub fn token_floor(mut self, floor: FencingToken) -> Self {
        self.token_floor = Some(floor);
        self
    }

    /// Names the contender.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = label.into();
        self
    }

    /// What renews it.
    pub fn renewal(&self) -> Renewal {
        Renewal {
            lease: self.lease.clone(),
            ttl: self.ttl,
            wait_ttl: self.wait_ttl.unwrap_or(self.ttl),
        }
    }

    /// Whether the request is within the limits. Every store calls this first.
    pub fn check(&self) -> Result<()> {
        limits::check_name("acquire", &self.lease.resource)?;
        limits::check_value("acquire", self.label.as_bytes())?;
        limits::check_ttl("acquire", self.ttl)?;
        if let Some(wait_ttl) = self.wait_ttl {
            limits::check_ttl("acquire", wait_ttl)?;
        }
        if self.weight == 0 || self.weight > self.capacity {
            let problem = format!(
                "a weight of {} never fits a capacity of {}",
                self.weight, self.capacity
            );
            return Err(StoreError::new(
                StoreErrorKind::Rejected,
                "acquire",
                problem,
            ));
        }
        Ok(())
    }
}

/// How entering the line ended.
#[derive(Debug)]
pub enum Acquired {
    /// The lease is held.
    Granted(FencingToken),
    /// In line. The grant comes through `wake`, or shows at the next renewal.
    Waiting {
        /// The token that the grant will have, if nothing happens to the store.
        token: FencingToken,
        /// How many are in front.
        ahead: u32,
        /// When somebody in front could expire, so that it is worth asking again.
        look_again_in: Option<Duration>,
        /// What wakes the waiter. It was started before the place was taken, so no wake-up is missed.
        wake: Watch,
    },
    /// Not free, and the request did not queue; or the owner was released before.
    Busy,
}

/// A request to extend a contender's deadline.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// The contender.
    pub lease: LeaseId,
    /// How long from now if it holds.
    pub ttl: Duration,
    /// How long from now if it waits.
    pub wait_ttl: Duration,
}

impl Renewal {
    /// Whether the request is within the limits. Every store calls this first, for each of a batch.
    pub fn check(&self) -> Result<()> {
        limits::check_ttl("renew", self.ttl)?;
        limits::check_ttl("renew", self.wait_ttl)
    }
}

/// Where a contender stands after a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// It holds.
    Granted(FencingToken),
    /// It waits.
    Waiting {
        /// How many are in front.
        ahead: u32,
        /// When somebody in front could expire, so that it is worth asking again.
        look_again_in: Option<Duration>,
    },
    /// It is not in line (any more).
    Gone,
}

/// One of those in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contender {
    /// Who.
    pub owner: OwnerId,
    /// Its name for people.
    pub label: Arc<str>,
    /// Its token.
    pub token: FencingToken,
    /// How much of the capacity it takes.
    pub weight: u32,
    /// Whether it holds, or waits.
    pub granted: bool,
    /// How long it stays without renewal.
    pub expires_in: Duration,
}
