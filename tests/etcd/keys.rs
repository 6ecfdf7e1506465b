//! Contenders that share keys, which are used again.

use std::collections::HashSet;

use coord::store::{Acquired, LeaseId, LeaseRequest, OwnerId, Renewal, Renewed, Store};
use coord_tests::EtcdServer;

use crate::{LONG, connect, token};

/// All of them begin alike, so all would have the same key.
fn request(number: u128) -> LeaseRequest {
    LeaseRequest {
        lease: LeaseId {
            resource: "a".into(),
            owner: OwnerId::from_bits(number),
        },
        ..LeaseRequest::exclusive("a", LONG).queue(LONG)
    }
}

async fn ahead(store: &dyn Store, number: u128) -> u32 {
    match store.acquire_lease(&request(number)).await.unwrap() {
        Acquired::Waiting { ahead, .. } => ahead,
        other => panic!("expected to wait, got {other:?}"),
    }
}

#[tokio::test]
async fn contenders_of_one_key_stand_in_line_one_behind_the_other() {
    let server = EtcdServer::start().await;
    // The other one knows of nobody where it stands.
    let store = connect(&server.url()).await;
    let other = connect(&server.url()).await;
    let first = token(&store, &request(1)).await;
    for number in 2..=5 {
        assert_eq!(u128::from(ahead(&store, number).await), number - 1);
    }
    assert_eq!(token(&other, &request(1)).await, first);
    assert_eq!(ahead(&other, 3).await, 2);
    let renewals = [1, 4].map(|number| Renewal {
        lease: request(number).lease,
        ttl: LONG,
        wait_ttl: LONG,
    });
    for store in [&store, &other] {
        let renewed = store.renew_leases(&renewals).await;
        assert!(matches!(renewed[0], Ok(Renewed::Granted(_))));
        assert!(matches!(renewed[1], Ok(Renewed::Waiting { ahead: 3, .. })));
    }

    for store in [&other, &other, &store] {
        assert!(store.release_lease(&request(1).lease).await.unwrap());
    }
    let second = token(&store, &request(2)).await;
    // It has the key that the first one had, and is behind all.
    assert_eq!(ahead(&store, 6).await, 4);
    for store in [&store, &other] {
        let renewed = store.renew_leases(&renewals).await;
        assert!(matches!(renewed[0], Ok(Renewed::Gone)));
        assert!(matches!(renewed[1], Ok(Renewed::Waiting { ahead: 2, .. })));
        let again = store.acquire_lease(&request(1)).await.unwrap();
        assert!(matches!(again, Acquired::Busy), "{again:?}");
    }

    assert!(other.release_lease(&request(4).lease).await.unwrap());
    assert!(!other.release_lease(&request(7).lease).await.unwrap());
    let never = store.acquire_lease(&request(7)).await.unwrap();
    assert!(matches!(never, Acquired::Busy), "{never:?}");
    let mut last = second;
    for (gone, next) in [(2, 3), (3, 5), (5, 6)] {
        assert!(store.release_lease(&request(gone).lease).await.unwrap());
        let token = token(&other, &request(next)).await;
        assert!(token > last);
        last = token;
    }
    assert!(first < second);
}

/// etcd looks at each key that was ever in a line whenever it looks at the line.
#[tokio::test]
async fn a_line_in_which_many_have_been_has_few_keys() {
    let server = EtcdServer::start().await;
    let store = connect(&server.url()).await;
    let mut keys = HashSet::new();
    for _ in 0..70 {
        let lease = LeaseRequest::exclusive("a", LONG).queue(LONG);
        token(&store, &lease).await;
        let there = server.control(&["get", "coord/lines/", "--prefix", "--keys-only"]);
        keys.insert(there.await);
        assert!(store.release_lease(&lease.lease).await.unwrap());
    }
    assert!(keys.len() <= 32, "{keys:?}");
}
