//! The servers' addresses: what a URL says.

use super::path::Root;
use super::tls;
use crate::error::Error;
use crate::store::hosts::{Form, Server, User};

const FOLDER: &str = "/coord";
const FORM: Form = Form {
    plain: "zk",
    encrypted: "zks",
    port: 2181,
    whole: "write it as `zk://host:2181`, or `zk://user:password@host:2181,host:2181/folder`, and `zks:` if it is encrypted",
    with_encryption: "it has options for encryption and does not ask for it; write it as `zks://host:2281`",
    with_user: "it has a user without a password; write it as `zk://user:password@host:2181`",
};

/// Where the servers are, and how to talk to them. There is a password in it.
pub(super) struct Address {
    pub(super) servers: Vec<Server>,
    /// User and password, with a colon between.
    pub(super) digest: Option<String>,
    pub(super) tls: Option<tls::Connector>,
    pub(super) root: Root,
}

pub(super) fn parse(url: &str) -> Result<Address, Error> {
    let hosts = FORM.read(url)?;
    Ok(Address {
        servers: hosts.servers,
        digest: hosts.user.map(digest).transpose()?,
        tls: hosts.encryption.as_ref().map(tls::connector).transpose()?,
        root: folder(&hosts.path)?,
    })
}

/// What the server is told, which has no escapes.
fn digest(User { name, password }: User) -> Result<String, Error> {
    if name.is_empty() || name.contains(':') {
        return Err(Error::invalid_url(
            "a user's name cannot be empty, or have a colon",
        ));
    }
    Ok(format!("{name}:{password}"))
}

fn folder(path: &str) -> Result<Root, Error> {
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Ok(Root::new(FOLDER.to_owned()));
    }
    let path = FORM.decoded(path)?;
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
