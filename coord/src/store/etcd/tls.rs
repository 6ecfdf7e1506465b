//! Encrypted connections.

use std::path::Path;

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::error::{Error, StoreError, StoreErrorKind};
use crate::store::hosts::Files;

pub(super) fn connector(files: &Files) -> Result<ClientTlsConfig, Error> {
    let config = match &files.roots {
        Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(
            file,
            "the file that `sslrootcert` names cannot be read as certificates in PEM",
        )?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    match (&files.certificate, &files.key) {
        (None, None) => Ok(config),
        (Some(certificate), Some(key)) => {
            let problem = "the files that `sslcert` and `sslkey` name cannot be read as PEM";
            let identity = Identity::from_pem(read(certificate, problem)?, read(key, problem)?);
            Ok(config.identity(identity))
        }
        _ => Err(unusable("`sslcert` and `sslkey` go together")),
    }
}

fn read(file: &Path, problem: &'static str) -> Result<Vec<u8>, Error> {
    std::fs::read(file)
        .ok()
        .filter(|pem| pem.windows(10).any(|part| part == b"-----BEGIN"))
        .ok_or_else(|| unusable(problem))
}

pub(super) fn unusable(problem: &'static str) -> Error {
    StoreError::new(StoreErrorKind::Denied, "connect", problem).into()
}
