//! URLs with several hosts, as the servers of etcd and ZooKeeper have. They are no URLs as others know them, so each host
//! is read as one of its own.

use std::path::PathBuf;

use url::Url;

use super::percent;
use crate::error::Error;

/// How the URLs of a kind of server are written.
pub(super) struct Form {
    pub(super) plain: &'static str,
    /// The scheme that asks for encryption.
    pub(super) encrypted: &'static str,
    /// What a host has that names none.
    pub(super) port: u16,
    /// What to write in place of what cannot be read.
    pub(super) whole: &'static str,
    /// What to write in place of a plain URL that names files for encryption.
    pub(super) with_encryption: &'static str,
    /// What to write in place of a user who has no password.
    pub(super) with_user: &'static str,
}

/// What such a URL says. There is a password in it.
pub(super) struct Hosts {
    pub(super) servers: Vec<Server>,
    pub(super) user: Option<User>,
    /// The files for encryption, if it is asked for.
    pub(super) encryption: Option<Files>,
    /// As it is written.
    pub(super) path: String,
}

#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
}

pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

#[derive(Debug, Default)]
pub(super) struct Files {
    /// Whose certificates a server may have, in place of the system's.
    pub(super) roots: Option<PathBuf>,
    /// Ours.
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl Form {
    pub(super) fn read(&self, url: &str) -> Result<Hosts, Error> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| self.malformed())?;
        let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(at);
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        let servers = hosts.split(',').map(|host| self.server(host));
        let servers = servers.collect::<Result<_, _>>()?;
        let rest = self.url(&format!("host{rest}"))?;
        if rest.fragment().is_some() {
            return Err(self.malformed());
        }
        Ok(Hosts {
            servers,
            user: user.map(|user| self.user(user)).transpose()?,
            encryption: self.encryption(scheme, Files::of(&rest)?)?,
            path: rest.path().to_owned(),
        })
    }

    /// The text without what is encoded in it.
    pub(super) fn decoded(&self, text: &str) -> Result<String, Error> {
        percent::decode(text).ok_or_else(|| self.malformed())
    }

    fn server(&self, text: &str) -> Result<Server, Error> {
        let url = self.url(text)?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let is_all = url.path().is_empty() && url.query().is_none() && url.fragment().is_none();
        let host = host.filter(|_| is_all).ok_or_else(|| self.malformed())?;
        Ok(Server {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(self.port),
        })
    }

    fn user(&self, text: &str) -> Result<User, Error> {
        let (name, password) = text
            .split_once(':')
            .ok_or_else(|| Error::invalid_url(self.with_user))?;
        Ok(User {
            name: self.decoded(name)?,
            password: self.decoded(password)?,
        })
    }

    fn encryption(&self, scheme: &str, files: Files) -> Result<Option<Files>, Error> {
        match scheme {
            _ if scheme == self.encrypted => Ok(Some(files)),
            _ if scheme != self.plain => Err(self.malformed()),
            _ if files.is_empty() => Ok(None),
            _ => Err(Error::invalid_url(self.with_encryption)),
        }
    }

    fn url(&self, behind_scheme: &str) -> Result<Url, Error> {
        Url::parse(&format!("{}://{behind_scheme}", self.plain)).map_err(|_| self.malformed())
    }

    fn malformed(&self) -> Error {
        Error::invalid_url(self.whole)
    }
}

impl Files {
    fn of(url: &Url) -> Result<Self, Error> {
        let mut files = Self::default();
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

    fn is_empty(&self) -> bool {
        self.roots.is_none() && self.certificate.is_none() && self.key.is_none()
    }
}
