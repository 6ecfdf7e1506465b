//! The servers' addresses: what a URL says.

use tonic::transport::ClientTlsConfig;

use super::keys::Root;
use super::tls;
use crate::error::Error;
use crate::store::hosts::{Form, Server, User};

const PREFIX: &str = "coord";
const FORM: Form = Form {
    plain: "etcd",
    encrypted: "etcds",
    port: 2379,
    whole: "write it as `etcd://host:2379`, or `etcd://user:password@host:2379,host:2379/prefix`, and `etcds:` if it is encrypted",
    with_encryption: "it has options for encryption and does not ask for it; write it as `etcds://host:2379`",
    with_user: "it has a user without a password; write it as `etcd://user:password@host:2379`",
};

/// Where the servers are, and how to talk to them. There is a password in it.
pub(super) struct Address {
    pub(super) servers: Vec<Server>,
    pub(super) user: Option<User>,
    pub(super) tls: Option<ClientTlsConfig>,
    pub(super) root: Root,
}

pub(super) fn parse(url: &str) -> Result<Address, Error> {
    let hosts = FORM.read(url)?;
    Ok(Address {
        servers: hosts.servers,
        user: hosts.user,
        tls: hosts.encryption.as_ref().map(tls::connector).transpose()?,
        root: prefix(&hosts.path)?,
    })
}

fn prefix(path: &str) -> Result<Root, Error> {
    let path = FORM.decoded(path.trim_matches('/'))?;
    let path = if path.is_empty() { PREFIX } else { &path };
    Ok(Root::new(format!("{path}/")))
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
