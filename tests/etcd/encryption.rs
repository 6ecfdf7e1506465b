//! Encrypted connections, and certificates of clients.

use std::time::Duration;

use coord::StoreErrorKind;
use coord::store::{EtcdStore, Store, StoreExt, Watched};
use coord_tests::{EtcdServer, Still, Wire};
use futures_util::future::join_all;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

use crate::{LONG, connect, refused};

/// A server that encrypts, what a URL says so that it and we trust each other, and the parts of that.
struct Encrypted {
    server: EtcdServer,
    trusts: String,
    certificate: String,
    shows: String,
}

async fn encrypted() -> Encrypted {
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
    Encrypted {
        server,
        trusts,
        shows: format!("sslcert={ours}&sslkey={our_key}"),
        certificate: ours,
    }
}

#[tokio::test]
async fn a_connection_is_encrypted_and_both_sides_show_who_they_are() {
    let Encrypted {
        server,
        trusts,
        certificate: ours,
        shows,
    } = encrypted().await;
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

/// A store at a server that says nothing even to greet, and at one behind a wire, which it uses.
async fn beside_a_still_one(still: &Still, encrypted: &Encrypted) -> (EtcdStore, Wire) {
    let wire = Wire::start(encrypted.server.addr());
    let ports = (still.addr().port(), wire.addr().port());
    let url = format!(
        "etcds://localhost:{},localhost:{}/coord?{}&{}",
        ports.0, ports.1, encrypted.trusts, encrypted.shows
    );
    let store = EtcdStore::builder().response_timeout(Duration::from_secs(4));
    (store.connect(&url).await.unwrap(), wire)
}

/// One of them connects for all. Each goes on to the next server when that takes too long.
#[tokio::test]
async fn many_who_meet_a_still_server_go_on_to_the_next() {
    let (still, encrypted) = (Still::start().await, encrypted().await);
    let (store, wire) = beside_a_still_one(&still, &encrypted).await;
    let is_asked = still.is_asked();
    wire.refuse(true);
    let asked = join_all((0..4).map(async |_| store.exists("a").await));
    let (answers, ()) = tokio::join!(asked, async {
        is_asked.await;
        wire.refuse(false);
    });
    for answer in answers {
        assert!(!answer.unwrap());
    }
}

#[tokio::test]
async fn one_who_watches_keeps_nobody_at_a_still_server() {
    let (still, encrypted) = (Still::start().await, encrypted().await);
    let (store, wire) = beside_a_still_one(&still, &encrypted).await;
    let _watch = store.watch(&Watched::Record("a".into())).await.unwrap();
    let is_asked = still.is_asked();
    wire.refuse(true);
    is_asked.await;
    wire.refuse(false);
    assert!(!store.exists("a").await.unwrap());
}
