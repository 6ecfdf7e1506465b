//! Which server to connect to: that of the URL, or that which the Sentinels of the URL call the primary.

use std::time::Duration;

use redis::{Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use super::failure;
#[cfg(feature = "redis-sentinel")]
use super::sentinel::Sentinels;
use super::tls::Certificates;
use crate::error::{Error, StoreError};

pub(super) enum Servers {
    One(Client),
    #[cfg(feature = "redis-sentinel")]
    Watched(Sentinels),
}

/// The server that takes writes.
pub(super) struct Primary {
    pub(super) client: Client,
    /// Whether there can be no doubt of that.
    pub(super) is_sure: bool,
}

impl Servers {
    /// `timeout` is for each answer of a Sentinel.
    pub(super) fn open(
        url: &str,
        certificates: &Certificates,
        timeout: Duration,
    ) -> Result<Self, Error> {
        #[cfg(feature = "redis-sentinel")]
        if let Some(sentinels) = Sentinels::open(url, certificates, timeout)? {
            return Ok(Self::Watched(sentinels));
        }
        let _ = timeout;
        Ok(Self::One(certificates.client(info(url)?)?))
    }

    /// How to reach the server that takes writes, as far as anybody knows now.
    #[cfg_attr(
        not(feature = "redis-sentinel"),
        expect(clippy::unused_async, reason = "there is nobody to ask")
    )]
    pub(super) async fn primary(&self) -> Result<Primary, StoreError> {
        match self {
            Self::One(client) => Ok(Primary {
                client: client.clone(),
                is_sure: true,
            }),
            #[cfg(feature = "redis-sentinel")]
            Self::Watched(sentinels) => sentinels.primary().await,
        }
    }

    /// Whether nobody else can become the primary.
    pub(super) fn is_one(&self) -> bool {
        matches!(self, Self::One(_))
    }
}

/// How to connect to what `url` names, in the protocol that we speak.
pub(super) fn info(url: &str) -> Result<ConnectionInfo, Error> {
    // Certificates that nobody vouches for are nothing that a URL may allow.
    if url.contains('#') {
        return Err(failure::of_url());
    }
    let info = url.into_connection_info().map_err(|_| failure::of_url())?;
    let settings = info.redis_settings().clone();
    Ok(info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3)))
}

/// What stands before the path of a URL that names several hosts: who we are, with the `@`, as it is written, and the hosts,
/// each with its port.
#[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
pub(super) fn hosts(authority: &str, port: u16) -> Option<(String, Vec<String>)> {
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let with_port = |host: &str| {
        let name = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
        match (host, name.contains(':')) {
            ("", _) => None,
            (_, true) => Some(host.to_owned()),
            (_, false) => Some(format!("{host}:{port}")),
        }
    };
    Some((
        user,
        hosts.split(',').map(with_port).collect::<Option<_>>()?,
    ))
}
