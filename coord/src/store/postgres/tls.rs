//! Encrypted connections.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, StoreError, StoreErrorKind};

pub(super) type Connector = MakeRustlsConnect;

/// Whose certificates a server may have.
pub(super) enum Trust {
    /// Anybody's: it is encrypted, and whoever it is can be on the other side.
    Everybody,
    /// Of those whom the system trusts.
    System,
    /// Of those in this file.
    These(PathBuf),
}

pub(super) fn connector(trust: &Trust) -> Result<Connector, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("this build of rustls knows no version of TLS"))?;
    let roots = match trust {
        Trust::Everybody => {
            let verifier = Arc::new(Anybody(provider));
            let config = config
                .dangerous()
                .with_custom_certificate_verifier(verifier);
            return Ok(MakeRustlsConnect::new(config.with_no_client_auth()));
        }
        Trust::System => system_roots(),
        Trust::These(file) => CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .map_err(|_| {
                unusable("the file that `sslrootcert` names cannot be read as certificates in PEM")
            })?,
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    if store.is_empty() {
        return Err(unusable(
            "there are no certificates to trust; name a file of them with `sslrootcert`",
        ));
    }
    let config = config.with_root_certificates(store).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Those that can be read: a damaged one among the system's is no reason not to use the others.
fn system_roots() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

fn unusable(problem: &'static str) -> Error {
    StoreError::new(StoreErrorKind::Denied, "connect", problem).into()
}

/// Takes whoever can prove to have the key of the certificate that is shown.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
