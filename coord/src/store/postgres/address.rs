//! The server's address: what a URL says.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use url::Url;

use super::tls::{self, Trust};
use crate::error::Error;

/// Where the server is, and how to talk to it. There is a password in it.
pub(super) struct Address {
    pub(super) config: Config,
    /// How to encrypt, if at all.
    pub(super) tls: Option<tls::Connector>,
}

/// The options that the client library does not know, or knows in another way.
#[derive(Default)]
struct Encryption {
    mode: Option<String>,
    roots: Option<PathBuf>,
}

pub(super) fn parse(url: &str) -> Result<Address, Error> {
    let mut url = Url::parse(url).map_err(|_| malformed())?;
    let encryption = Encryption::taken_from(&mut url);
    let mut config: Config = url.as_str().parse().map_err(|_| malformed())?;
    if config.get_hosts().is_empty() {
        return Err(malformed());
    }
    if config.get_application_name().is_none() {
        config.application_name("coord");
    }
    config.keepalives_idle(Duration::from_secs(30));
    let (mode, trust) = encryption.understood()?;
    config.ssl_mode(mode);
    let tls = match mode {
        SslMode::Disable => None,
        _ => Some(tls::connector(&trust)?),
    };
    Ok(Address { config, tls })
}

impl Encryption {
    fn taken_from(url: &mut Url) -> Self {
        let mut taken = Self::default();
        let mut others = Vec::new();
        for (option, value) in url.query_pairs() {
            match &*option {
                "sslmode" => taken.mode = Some(value.into_owned()),
                "sslrootcert" => taken.roots = Some(PathBuf::from(&*value)),
                _ => others.push((option.into_owned(), value.into_owned())),
            }
        }
        url.set_query(None);
        if !others.is_empty() {
            // The library does not take a plus sign for a space.
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(others)
                .finish()
                .replace('+', "%20");
            url.set_query(Some(&query));
        }
        taken
    }

    /// As PostgreSQL's own clients understand them: whom to trust is asked only where the mode says so, or the file of
    /// those to trust is given.
    fn understood(self) -> Result<(SslMode, Trust), Error> {
        let trust = match &self.roots {
            Some(roots) => Trust::These(roots.clone()),
            None => Trust::Everybody,
        };
        match self.mode.as_deref() {
            Some("disable") => Ok((SslMode::Disable, trust)),
            None | Some("allow" | "prefer") => Ok((SslMode::Prefer, trust)),
            Some("require") => Ok((SslMode::Require, trust)),
            Some("verify-full") => {
                let trust = self.roots.map_or(Trust::System, Trust::These);
                Ok((SslMode::Require, trust))
            }
            Some(_) => Err(Error::invalid_url(
                "`sslmode` is one of `disable`, `prefer`, `require` and `verify-full`",
            )),
        }
    }
}

/// The library's message is not passed on: it could show the password.
fn malformed() -> Error {
    Error::invalid_url(
        "write it as `postgres://[user[:password]@]host[:port][/database][?option=value]`, with what is special in a \
         password as `%40`",
    )
}
