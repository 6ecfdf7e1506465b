//! Encrypted connections.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::connection::BoxedStream;
use super::failure;
use crate::error::{Error, StoreError, StoreErrorKind};
use crate::store::Result as StoreResult;
use crate::store::hosts::Files;

pub(super) type Connector = TlsConnector;

pub(super) fn connector(files: &Files) -> Result<Connector, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("this build of rustls knows no version of TLS"))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(match &files.roots {
        Some(file) => certificates(file).ok_or_else(|| {
            unusable("the file that `sslrootcert` names cannot be read as certificates in PEM")
        })?,
        // Those that can be read: a damaged one among the system's is no reason not to use the others.
        None => rustls_native_certs::load_native_certs().certs,
    });
    if roots.is_empty() {
        return Err(unusable(
            "there are no certificates to trust; name a file of them with `sslrootcert`",
        ));
    }
    let config = config.with_root_certificates(roots);
    let config = match (&files.certificate, &files.key) {
        (None, None) => config.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let shown = certificates(certificate).zip(PrivateKeyDer::from_pem_file(key).ok());
            let (chain, key) = shown.ok_or_else(|| {
                unusable("the files that `sslcert` and `sslkey` name cannot be read as PEM")
            })?;
            config.with_client_auth_cert(chain, key).map_err(|_| {
                unusable("the key that `sslkey` names is not that of the certificate")
            })?
        }
        _ => return Err(unusable("`sslcert` and `sslkey` go together")),
    };
    Ok(Arc::new(config).into())
}

/// Encrypts a connection to this host.
pub(super) async fn encrypt(
    connector: &Connector,
    host: &str,
    stream: TcpStream,
) -> StoreResult<BoxedStream> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| failure::of_encrypting())?;
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(failure::of_encrypting())
        }
        Err(_) => Err(failure::of_connecting()),
    }
}

fn certificates(file: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).ok()?;
    certificates.collect::<Result<_, _>>().ok()
}

fn unusable(problem: &'static str) -> Error {
    StoreError::new(StoreErrorKind::Denied, "connect", problem).into()
}
