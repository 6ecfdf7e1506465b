//! Encrypted connections: whom we trust, and who we are.

use redis::{Client, ConnectionInfo};

use super::failure;
use crate::error::Error;

/// What the builder was told of certificates.
#[derive(Clone, Default)]
pub(super) struct Certificates {
    #[cfg(feature = "tls")]
    pub(super) roots: Option<Vec<u8>>,
    #[cfg(feature = "tls")]
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Certificates {
    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "without the feature there are none")]
    pub(super) fn client(&self, info: ConnectionInfo) -> Result<Client, Error> {
        Client::open(info).map_err(|_| failure::of_url())
    }

    /// A client of what `info` names, which encrypts if that asks for it.
    #[cfg(feature = "tls")]
    pub(super) fn client(&self, info: ConnectionInfo) -> Result<Client, Error> {
        use redis::{ClientTlsConfig, ConnectionAddr, TlsCertificates};

        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Client::open(info).map_err(|_| failure::of_url());
        }
        ensure_provider();
        let identity = self.identity.clone();
        let certificates = TlsCertificates {
            client_tls: identity.map(|(client_cert, client_key)| ClientTlsConfig {
                client_cert,
                client_key,
            }),
            root_cert: self.roots.clone(),
        };
        Client::build_with_tls(info, certificates).map_err(|_| failure::of_certificates())
    }
}

/// The client library panics when rustls does not know whose cryptography to use. A choice that was made stays.
#[cfg(feature = "tls")]
fn ensure_provider() {
    use rustls::crypto::{CryptoProvider, ring};

    if CryptoProvider::get_default().is_none() {
        // Somebody else may have been faster, which is as well.
        let _ = ring::default_provider().install_default();
    }
}
