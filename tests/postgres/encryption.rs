//! Encrypted connections: what each `sslmode` asks for.

use coord::StoreErrorKind;
use coord_tests::PostgresServer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::{connect, refused};

/// A server with a certificate for `localhost`, the file of those who vouch for it, and a role.
async fn encrypted() -> (PostgresServer, String) {
    let mut vouches = CertificateParams::default();
    vouches.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(vouches, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let server = PostgresServer::builder()
        .encrypted(certificate.pem(), key.serialize_pem())
        .start()
        .await;
    let roots = server.folder().join("roots.pem");
    std::fs::write(&roots, issuer.pem()).unwrap();
    let beside = server.client().await;
    beside
        .batch_execute("CREATE ROLE service LOGIN SUPERUSER")
        .await
        .unwrap();
    (server, roots.display().to_string())
}

#[tokio::test]
async fn each_mode_encrypts_and_trusts_as_it_says() {
    let (server, roots) = encrypted().await;
    let url = |host: &str, options: &str| {
        format!(
            "postgres://service@{host}:{}/postgres?{options}",
            server.port()
        )
    };

    for options in [
        "sslmode=prefer".to_owned(),
        "sslmode=require".to_owned(),
        format!("sslmode=require&sslrootcert={roots}"),
        format!("sslmode=verify-full&sslrootcert={roots}"),
    ] {
        connect(&url("localhost", &options)).await;
    }
    let beside = server.client().await;
    let encrypted = beside
        .query_one(
            "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'service' AND NOT s.ssl",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(encrypted.get::<_, i64>(0), 0);

    // Another name than the certificate's, and somebody whom the system does not trust.
    for (host, options) in [
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={roots}"),
        ),
        ("localhost", "sslmode=verify-full".to_owned()),
        ("localhost", "sslmode=disable".to_owned()),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=/nowhere".to_owned(),
        ),
    ] {
        let error = refused(&url(host, &options)).await;
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{options}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_encrypt_is_refused_where_that_is_asked_for() {
    let server = PostgresServer::start().await;
    connect(&format!("{}?sslmode=prefer", server.url())).await;
    let error = refused(&format!("{}?sslmode=require", server.url())).await;
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
}
