//! The servers' addresses: what a URL says.

use std::path::PathBuf;

use url::Url;

use super::path::Root;
use super::tls::{self, Files};
use crate::error::Error;

const PORT: u16 = 2181;
const FOLDER: &str = "/coord";

/// Where the servers are, and how to talk to them. There is a password in it.
pub(super) struct Address {
    pub(super) servers: Vec<Server>,
    /// User and password, with a colon between.
    pub(super) digest: Option<String>,
    pub(super) tls: Option<tls::Connector>,
    pub(super) root: Root,
}

#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
}

/// Several hosts make no URL as others know it, so each is read as one of its own.
pub(super) fn parse(url: &str) -> Result<Address, Error> {
    let (scheme, rest) = url.split_once("://").ok_or_else(malformed)?;
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(at);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    let servers = hosts.split(',').map(server).collect::<Result<_, _>>()?;
    let rest = Url::parse(&format!("zk://host{rest}")).map_err(|_| malformed())?;
    if rest.fragment().is_some() {
        return Err(malformed());
    }
    let files = files(&rest)?;
    let tls = match scheme {
        "zk" if files.is_empty() => None,
        "zks" => Some(tls::connector(&files)?),
        "zk" => {
            return Err(Error::invalid_url(
                "it has options for encryption and does not ask for it; write it as `zks://host:2281`",
            ));
        }
        _ => return Err(malformed()),
    };
    Ok(Address {
        servers,
        digest: user.map(digest).transpose()?,
        tls,
        root: folder(rest.path())?,
    })
}

fn server(text: &str) -> Result<Server, Error> {
    let url = Url::parse(&format!("zk://{text}")).map_err(|_| malformed())?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let is_all = url.path().is_empty() && url.query().is_none() && url.fragment().is_none();
    Ok(Server {
        host: host
            .filter(|_| is_all)
            .ok_or_else(malformed)?
            .trim_matches(['[', ']'])
            .to_owned(),
        port: url.port().unwrap_or(PORT),
    })
}

/// What the server is told, which has no escapes.
fn digest(user: &str) -> Result<String, Error> {
    let (name, password) = user.split_once(':').ok_or_else(|| {
        Error::invalid_url(
            "it has a user without a password; write it as `zk://user:password@host:2181`",
        )
    })?;
    let name = unescaped(name)?;
    if name.is_empty() || name.contains(':') {
        return Err(Error::invalid_url(
            "a user's name cannot be empty, or have a colon",
        ));
    }
    Ok(format!("{name}:{}", unescaped(password)?))
}

fn folder(path: &str) -> Result<Root, Error> {
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Ok(Root::new(FOLDER.to_owned()));
    }
    let path = unescaped(path)?;
    let is_name = |part: &str| {
        let is_plain = |char: char| {
            !(char.is_control()
                || matches!(char, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}'))
        };
        !(part.is_empty() || part == "." || part == "..") && part.chars().all(is_plain)
    };
    if !path[1..].split('/').all(is_name) || path == "/zookeeper" || path.starts_with("/zookeeper/")
    {
        return Err(Error::invalid_url(
            "its path cannot be a folder of ours; write it as `zk://host:2181/services/coord`",
        ));
    }
    Ok(Root::new(path))
}

fn files(url: &Url) -> Result<Files, Error> {
    let mut files = Files::default();
    for (option, value) in url.query_pairs() {
        let file = match &*option {
            "sslrootcert" => &mut files.roots,
            "sslcert" => &mut files.certificate,
            "sslkey" => &mut files.key,
            _ => {
                return Err(Error::invalid_url(
                    "it has an option that is unknown; known are `sslrootcert`, `sslcert` and `sslkey`",
                ));
            }
        };
        *file = Some(PathBuf::from(&*value));
    }
    Ok(files)
}

fn unescaped(text: &str) -> Result<String, Error> {
    super::path::unescape(text).ok_or_else(malformed)
}

fn malformed() -> Error {
    Error::invalid_url(
        "write it as `zk://host:2181`, or `zk://user:password@host:2181,host:2181/folder`, and `zks:` if it is encrypted",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_servers_are() {
        let read = |url| parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let address = read("zk://us%40er:p%3ass@one,two:99,[::1]:7/a/b");
        let servers: Vec<_> = address
            .servers
            .iter()
            .map(|server| (&*server.host, server.port))
            .collect();
        assert_eq!(servers, [("one", 2181), ("two", 99), ("::1", 7)]);
        assert_eq!(address.digest.as_deref(), Some("us@er:p:ss"));
        assert_eq!(address.root.path(), "/a/b");
        let plain = read("zk://one/");
        assert_eq!(plain.root.path(), "/coord");
    }
}
