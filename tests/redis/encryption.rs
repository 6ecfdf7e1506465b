//! Encrypted connections: whom the client trusts, and whom the server lets in.

use coord::{Coordinator, Error, StoreErrorKind};
use coord_tests::RedisServer;
use coord_tests::redis::RedisServerBuilder;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::{builder, connect, patient, refused};

/// A server that asks for certificates, and what it takes to be let in.
struct Encrypted {
    server: RedisServer,
    roots: String,
    certificate: String,
    key: String,
}

impl Encrypted {
    async fn start() -> Self {
        Self::with(RedisServer::builder()).await
    }

    async fn with(builder: RedisServerBuilder) -> Self {
        let mut vouches = CertificateParams::default();
        vouches.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(vouches, KeyPair::generate().unwrap()).unwrap();
        let signed = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            // What has the same name as its issuer is taken for self-signed.
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &issuer).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let (of_server, key_of_server) = signed("localhost");
        let server = builder
            .encrypted(&of_server, &key_of_server, &issuer.pem())
            .start()
            .await;
        let (certificate, key) = signed("client");
        Self {
            server,
            roots: issuer.pem(),
            certificate,
            key,
        }
    }
}

#[tokio::test]
async fn who_is_vouched_for_is_trusted_and_let_in() {
    let encrypted = Encrypted::start().await;
    let builder = builder()
        .root_certificates(&*encrypted.roots)
        .client_certificate(&*encrypted.certificate, &*encrypted.key);
    let coord = connect(builder.clone(), &encrypted.server.tls_url()).await;
    let lease = coord.lock("a").acquire().await.unwrap();
    let waiter = tokio::spawn({
        let coord = connect(builder.min_replicas(0), &encrypted.server.tls_url()).await;
        async move { coord.lock("a").acquire().await }
    });
    lease.release().await.unwrap();
    waiter.await.unwrap().unwrap().release().await.unwrap();
}

/// A cluster of one node, which does not know its address and so is where it was asked.
#[tokio::test]
async fn a_cluster_is_encrypted_with_all_that_it_tells() {
    let node = RedisServer::builder().cluster_node(5_000);
    let encrypted = Encrypted::with(node.config("tls-cluster yes")).await;
    let server = &encrypted.server;
    server
        .cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
        .await;
    coord_tests::until("the cluster to serve", async || {
        let info = server.cli(&["CLUSTER", "INFO"]).await;
        info.text().contains("cluster_state:ok").then_some(())
    })
    .await;
    let url = server.tls_url().replace("rediss://", "rediss+cluster://");
    let builder = patient()
        .root_certificates(&*encrypted.roots)
        .client_certificate(&*encrypted.certificate, &*encrypted.key);
    let coord = connect(builder.clone(), &url).await;
    let lease = coord.lock("a").acquire().await.unwrap();
    let waiter = tokio::spawn({
        let coord = connect(builder, &url).await;
        async move { coord.lock("a").acquire().await }
    });
    lease.release().await.unwrap();
    waiter.await.unwrap().unwrap().release().await.unwrap();
    let plain = format!("redis+cluster://127.0.0.1:{}", server.port());
    connect(patient(), &plain).await;
}

#[tokio::test]
async fn whoever_is_not_vouched_for_is_refused() {
    let encrypted = Encrypted::start().await;
    let url = encrypted.server.tls_url();
    let with_identity = || builder().client_certificate(&*encrypted.certificate, &*encrypted.key);

    // Somebody whom the system does not trust, and another name than the certificate's.
    let by_address = url.replace("localhost", "127.0.0.1");
    let stranger = refused(with_identity(), &url).await;
    let with_roots = with_identity().root_certificates(&*encrypted.roots);
    let other_name = refused(with_roots, &by_address).await;
    for error in [stranger, other_name] {
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    // The server closes the connection of a client that shows no certificate.
    let anonymous = builder().root_certificates(&*encrypted.roots);
    refused(anonymous, &url).await;
    // A server that speaks no TLS.
    let plain = url.replace("rediss", "redis");
    refused(with_identity(), &plain).await;
}

#[tokio::test]
async fn certificates_that_cannot_be_read_are_told() {
    let broken = builder().client_certificate("no certificate", "no key");
    let error = broken.connect("rediss://localhost:1").await.unwrap_err();
    assert!(matches!(error, Error::InvalidOption { .. }), "{error:?}");
}

#[tokio::test]
async fn a_url_cannot_turn_the_checks_off() {
    for url in [
        "rediss://localhost/#insecure",
        "redis://localhost/#insecure",
    ] {
        let error = Coordinator::connect(url).await.unwrap_err();
        assert!(matches!(error, Error::InvalidUrl { .. }), "{error:?}");
    }
}
