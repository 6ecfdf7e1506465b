//! The URL of a cluster.

use redis::{ConnectionAddr, ConnectionInfo};

use super::servers;
use super::topology::Address;
use crate::error::Error;

const PORT: u16 = 6379;

/// What the URL of a cluster says.
pub(super) struct Seeds {
    pub(super) nodes: Vec<Address>,
    /// How to connect to any node, but for its address.
    pub(super) info: ConnectionInfo,
}

impl Seeds {
    /// `None` if the URL names no cluster.
    pub(super) fn parse(url: &str) -> Result<Option<Self>, Error> {
        let Some((scheme, rest)) = url.split_once("+cluster://") else {
            return Ok(None);
        };
        // A cluster has one database, whose number is 0.
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !["", "0"].contains(&path) || rest.contains(['?', '#']) {
            return Err(malformed());
        }
        let (user, hosts) = servers::hosts(authority, PORT).ok_or_else(malformed)?;
        let infos = hosts
            .iter()
            .map(|host| servers::info(&format!("{scheme}://{user}{host}/")))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| malformed())?;
        let nodes = infos.iter().map(|info| address(info.addr()));
        let nodes = nodes.collect::<Option<Vec<_>>>().ok_or_else(malformed)?;
        let info = infos.into_iter().next().ok_or_else(malformed)?;
        Ok(Some(Self { nodes, info }))
    }
}

fn address(addr: &ConnectionAddr) -> Option<Address> {
    match addr {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Some((host.clone(), *port))
        }
        _ => None,
    }
}

fn malformed() -> Error {
    Error::invalid_url(
        "write it as `redis+cluster://[user:password@]host[:port],host[:port]`, with some of the cluster's nodes; a cluster \
         has no databases to choose from",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let seeds = Seeds::parse("redis+cluster://u:p%40@a:1,b,[::1],[::1]:2/").unwrap();
        let Seeds { nodes, info } = seeds.unwrap();
        let expected = [("a", 1), ("b", 6379), ("::1", 6379), ("::1", 2)];
        assert_eq!(nodes, expected.map(|(host, port)| (host.to_owned(), port)));
        assert_eq!(info.redis_settings().password(), Some("p@"));
        assert!(Seeds::parse("redis://a").unwrap().is_none());
        for malformed in [
            "",
            "a,,b",
            "a/1",
            "a/x",
            "a/0/0",
            "a/0?x=y",
            "a?x=y",
            "a#insecure",
        ] {
            let url = format!("redis+cluster://{malformed}");
            assert!(Seeds::parse(&url).is_err(), "{malformed}");
        }
    }
}
