//! Encrypted connections, and certificates of clients.

use coord::StoreErrorKind;
use coord::store::StoreExt;
use coord_tests::EtcdServer;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

use crate::{LONG, connect, refused};

#[tokio::test]
async fn a_connection_is_encrypted_and_both_sides_show_who_they_are() {
    let mut vouches = CertificateParams::default();
    vouches.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(vouches, KeyPair::generate().unwrap()).unwrap();
    let signed = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let (shown, shown_key) = signed("localhost");
    let server = EtcdServer::builder()
        .encrypted(shown, shown_key, issuer.pem())
        .start()
        .await;
    let file = |name: &str, text: String| {
        let path = server.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ours, our_key) = signed("client");
    let (ours, our_key) = (file("ours.pem", ours), file("ours.key", our_key));
    let trusts = format!("sslrootcert={}", file("roots.pem", issuer.pem()));
    let shows = format!("sslcert={ours}&sslkey={our_key}");
    let url = |host: &str, options: &str| {
        format!("etcds://{host}:{}/coord?{options}", server.addr().port())
    };
    let store = connect(&url("localhost", &format!("{trusts}&{shows}"))).await;
    store.set("a", "one", LONG).await.unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap(), "one");

    for (host, options) in [
        // Another name than the certificate's.
        ("127.0.0.1", format!("{trusts}&{shows}")),
        // Somebody whom the system does not trust.
        ("localhost", shows.clone()),
        ("localhost", format!("{trusts}&sslcert={ours}")),
        ("localhost", "sslrootcert=/nowhere".to_owned()),
    ] {
        let error = refused(&url(host, &options)).await;
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{options}: {error}");
    }
    // No certificate of ours, and no encryption at all.
    refused(&url("localhost", &trusts)).await;
    refused(&format!("etcd://localhost:{}", server.addr().port())).await;
}
