//! Settings of a store in Redis.

use std::fmt;
#[cfg(feature = "redis-cluster")]
use std::sync::Arc;
use std::time::Duration;

use super::RedisStore;
#[cfg(feature = "redis-cluster")]
use super::cluster::Cluster;
use super::connection::Dialling;
use super::link::Link;
use super::links::Links;
#[cfg(feature = "redis-cluster")]
use super::links::Parts;
#[cfg(feature = "redis-cluster")]
use super::seeds::Seeds;
use super::servers::Servers;
use super::tls::Certificates;
use crate::error::Error;
use crate::store::LARGEST_TTL;

/// How long an answer is waited for, unless the builder says otherwise.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often names of what has expired are swept out, unless the builder says otherwise.
const SWEEP_EVERY: Duration = Duration::from_secs(20);

/// Builds a [`RedisStore`].
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use coord::store::RedisStore;
///
/// # async fn example() -> Result<(), coord::Error> {
/// let store = RedisStore::builder()
///     .response_timeout(Duration::from_millis(500))
///     .min_replicas(1)
///     .connect("redis://127.0.0.1")
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "call `connect`"]
pub struct RedisStoreBuilder {
    response_timeout: Duration,
    min_replicas: usize,
    sweep_every: Duration,
    certificates: Certificates,
}

impl RedisStoreBuilder {
    pub(super) fn new() -> Self {
        Self {
            response_timeout: RESPONSE_TIMEOUT,
            min_replicas: 0,
            sweep_every: SWEEP_EVERY,
            certificates: Certificates::default(),
        }
    }

    /// How long to wait for the server, to connect and for each answer. The default is 2 seconds. Past it the
    /// connection is taken for broken, and the operation for perhaps done. In a cluster it is also how long an operation that a
    /// node refuses is sent again, to the same or to others.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout.min(LARGEST_TTL);
        self
    }

    /// How many replicas must have acknowledged a write before it counts as done. The default is none.
    ///
    /// With it, a grant, a renewal, a stored or deleted record and an entry of a log are answered only after the server
    /// has said so to `WAIT`, within the response timeout. That is a further round trip, on a connection of its own; many
    /// who wait share one. A waiter that is handed a lock holds it once that is so. If fewer acknowledge, the operation fails
    /// as one that was perhaps done ([`StoreErrorKind::Unknown`](crate::StoreErrorKind::Unknown)): a lock that cannot be made
    /// safe is given back.
    ///
    /// # What it does not give
    ///
    /// It makes a failover less likely to lose a write, and does not rule it out: the replica that is promoted need not be
    /// one of those that acknowledged, and a replica has what it acknowledged in memory, perhaps not on disk. A primary
    /// that is cut off goes on granting to those who reach it together with enough replicas. And others may read what has
    /// not been acknowledged yet. Check fencing tokens, with it as without.
    pub fn min_replicas(mut self, count: usize) -> Self {
        self.min_replicas = count;
        self
    }

    /// How often names of records that have expired are taken out of the index of what is listed. They are in no listing
    /// before that; this makes room. In a cluster, a sixteenth of it is looked at each time. The default is 20 seconds.
    pub fn sweep_every(mut self, interval: Duration) -> Self {
        self.sweep_every = interval;
        self
    }

    /// Whose certificates a server may have: those signed by one of these, in PEM, instead of those that the system
    /// trusts. For `rediss:` URLs.
    #[cfg(feature = "tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.roots = Some(pem.into());
        self
    }

    /// The certificate by which this client proves who it is, and its private key, in PEM. For `rediss:` URLs.
    #[cfg(feature = "tls")]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.certificates.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Connects. See [`RedisStore::connect`].
    ///
    /// # Errors
    ///
    /// As [`RedisStore::connect`]; [`Error::InvalidOption`] for certificates that cannot be read.
    pub async fn connect(self, url: &str) -> Result<RedisStore, Error> {
        let timeout = self.response_timeout;
        let dialling = Dialling {
            timeout,
            min_replicas: self.min_replicas,
        };
        #[cfg(feature = "redis-cluster")]
        if let Some(Seeds { nodes, info }) = Seeds::parse(url)? {
            let cluster = Cluster::new(nodes, info, self.certificates, dialling);
            cluster.connect().await?;
            let links = Links::Parts(Parts::of(Arc::new(cluster)));
            return Ok(RedisStore::of(links, self.sweep_every));
        }
        let servers = Servers::open(url, &self.certificates, timeout)?;
        let link = Link::alone(servers, dialling);
        link.current().await?;
        Ok(RedisStore::of(Links::One(link), self.sweep_every))
    }
}

/// Says nothing of keys.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("response_timeout", &self.response_timeout)
            .field("min_replicas", &self.min_replicas)
            .finish_non_exhaustive()
    }
}
