//! Requests that arrive after others that were sent later.

use std::time::Duration;

use coord::store::{EtcdStore, LeaseRequest, PutRequest, Renewal, Renewed, Store};
use coord_tests::{EtcdServer, Wire, until};

use crate::{LONG, token};

/// A ttl that ends only after the test, and before the other one.
const SHORTER: Duration = Duration::from_secs(120);

/// One that asks over the wire first, and then another server.
async fn over(wire: &Wire, next: &EtcdServer) -> EtcdStore {
    let url = format!("etcd://{},{}", wire.addr(), next.addr());
    until("one that begins at the wire", async || {
        let before = wire.requests();
        let connecting = EtcdStore::builder().response_timeout(Duration::from_secs(1));
        let store = connecting.connect(&url).await.ok()?;
        (wire.requests() > before).then_some(store)
    })
    .await
}

#[tokio::test]
async fn a_renewal_that_comes_late_does_not_shorten_the_one_after_it() {
    let server = EtcdServer::start().await;
    let wire = Wire::start(server.addr());
    let store = over(&wire, &server).await;
    let lease = LeaseRequest::exclusive("a", LONG);
    let held = token(&store, &lease).await;
    // The server's lease for this ttl is there from now on, so the renewal is what is sent next.
    let put = PutRequest::new("b", "one").ttl(SHORTER);
    store.put_record(&put).await.unwrap();
    let renew = async |ttl| {
        let lease = lease.lease.clone();
        let renewal = Renewal {
            lease,
            ttl,
            wait_ttl: ttl,
        };
        let renewed = store.renew_leases(&[renewal]).await.remove(0).unwrap();
        assert!(matches!(renewed, Renewed::Granted(token) if u64::from(token) == held));
    };
    wire.keep_next("coord/lines/0001/a/");
    renew(SHORTER).await;
    assert!(wire.keeps(), "it was answered without the wire");
    renew(LONG).await;
    let before = server.calls().await;
    wire.let_go();
    until("the late one to be done", async || {
        (server.calls().await > before).then_some(())
    })
    .await;
    let line = store.inspect_lease("a").await.unwrap();
    assert!(line[0].expires_in > SHORTER, "{line:?}");
}
