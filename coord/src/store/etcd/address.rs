//! The servers' addresses: what a URL says.

use std::path::PathBuf;

use tonic::transport::ClientTlsConfig;
use url::Url;

use super::keys::Root;
use super::tls::{self, Files};
use crate::error::Error;

const PORT: u16 = 2379;
const PREFIX: &str = "coord";

/// Where the servers are, and how to talk to them. There is a password in it.
pub(super) struct Address {
    pub(super) servers: Vec<Server>,
    pub(super) user: Option<User>,
    pub(super) tls: Option<ClientTlsConfig>,
    pub(super) root: Root,
}

pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
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
    let (named, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    let servers = hosts.split(',').map(server).collect::<Result<_, _>>()?;
    let rest = Url::parse(&format!("etcd://host{rest}")).map_err(|_| malformed())?;
    if rest.fragment().is_some() {
        return Err(malformed());
    }
    let files = files(&rest)?;
    let tls = match scheme {
        "etcd" if files.is_empty() => None,
        "etcds" => Some(tls::connector(&files)?),
        "etcd" => {
            return Err(Error::invalid_url(
                "it has options for encryption and does not ask for it; write it as `etcds://host:2379`",
            ));
        }
        _ => return Err(malformed()),
    };
    Ok(Address {
        servers,
        user: named.map(user).transpose()?,
        tls,
        root: prefix(rest.path())?,
    })
}

fn server(text: &str) -> Result<Server, Error> {
    let url = Url::parse(&format!("etcd://{text}")).map_err(|_| malformed())?;
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

fn user(text: &str) -> Result<User, Error> {
    let (name, password) = text.split_once(':').ok_or_else(|| {
        Error::invalid_url(
            "it has a user without a password; write it as `etcd://user:password@host:2379`",
        )
    })?;
    Ok(User {
        name: unescaped(name)?,
        password: unescaped(password)?,
    })
}

fn prefix(path: &str) -> Result<Root, Error> {
    let path = unescaped(path.trim_matches('/'))?;
    let path = if path.is_empty() { PREFIX } else { &path };
    Ok(Root::new(format!("{path}/")))
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
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escaped)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = escaped
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or_else(malformed)?;
        bytes.push(byte);
        rest = &escaped[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| malformed())
}

fn malformed() -> Error {
    Error::invalid_url(
        "write it as `etcd://host:2379`, or `etcd://user:password@host:2379,host:2379/prefix`, and `etcds:` if it is encrypted",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_servers_are() {
        let read = |url| parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let address = read("etcd://us%40er:p%3ass@one,two:99,[::1]:7/a/b");
        let servers: Vec<_> = address
            .servers
            .iter()
            .map(|server| (&*server.host, server.port))
            .collect();
        assert_eq!(servers, [("one", 2379), ("two", 99), ("::1", 7)]);
        let user = address
            .user
            .as_ref()
            .map(|user| (&*user.name, &*user.password));
        assert_eq!(user, Some(("us@er", "p:ss")));
        assert_eq!(address.root.prefix(), "a/b/");
        assert_eq!(read("etcd://one/").root.prefix(), "coord/");
    }
}
