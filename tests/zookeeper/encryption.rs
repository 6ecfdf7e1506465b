//! Encrypted connections, and certificates of clients.

use coord::StoreErrorKind;
use coord::store::{StoreExt, ZookeeperStore};
use coord_tests::{ZookeeperServer, until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::{LONG, connect, refused};

struct Encrypted {
    server: ZookeeperServer,
    /// Those of the issuer, and of a client.
    roots: String,
    certificate: String,
    key: String,
}

/// A server with a certificate for `localhost`, which asks clients for one of the same issuer.
async fn encrypted() -> Encrypted {
    let mut vouches = CertificateParams::default();
    vouches.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(vouches, KeyPair::generate().unwrap()).unwrap();
    let signed = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let (shown, shown_key) = signed("localhost");
    let server = ZookeeperServer::builder()
        .encrypted(format!("{shown_key}{shown}"), issuer.pem())
        .line("ssl.clientAuth=need")
        .line("ssl.hostnameVerification=false")
        .start()
        .await;
    let file = |name: &str, text: String| {
        let path = server.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ours, our_key) = signed("client");
    Encrypted {
        roots: file("roots.pem", issuer.pem()),
        certificate: file("ours.pem", ours),
        key: file("ours.key", our_key),
        server,
    }
}

#[tokio::test]
async fn a_connection_is_encrypted_and_both_sides_show_who_they_are() {
    let it = encrypted().await;
    let url = |host: &str, options: &str| {
        format!(
            "zks://{host}:{}/coord?{options}",
            it.server.encrypted_port()
        )
    };
    let trusts = format!("sslrootcert={}", it.roots);
    let shows = format!("sslcert={}&sslkey={}", it.certificate, it.key);
    let good = url("localhost", &format!("{trusts}&{shows}"));
    // The first handshake takes Java its time, on a busy machine longer than a store waits.
    let store = until("an encrypted connection", async || {
        ZookeeperStore::connect(&good).await.ok()
    })
    .await;
    store.set("a", "one", LONG).await.unwrap();
    let plain = connect(&it.server.url()).await;
    assert_eq!(plain.get("a").await.unwrap().unwrap(), "one");

    for (host, options) in [
        // Another name than the certificate's.
        ("127.0.0.1", format!("{trusts}&{shows}")),
        // Somebody whom the system does not trust.
        ("localhost", shows.clone()),
        ("localhost", format!("{trusts}&sslcert={}", it.certificate)),
        ("localhost", "sslrootcert=/nowhere".to_owned()),
    ] {
        let error = refused(&url(host, &options)).await;
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{options}: {error}");
    }
    // No certificate of ours, and no encryption at all.
    refused(&url("localhost", &trusts)).await;
    refused(&format!("zk://localhost:{}", it.server.encrypted_port())).await;
}
