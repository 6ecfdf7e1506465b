//! A server that takes no writes for a while: nothing was done, and it can be asked again.

use coord::StoreErrorKind;
use coord::store::{
    Acquired, Append, AppendRequest, Condition, LeaseRequest, Put, PutRequest, Renewed, Store,
    Version,
};
use coord_tests::{Proxy, RedisServer};
use futures_util::future::join_all;

use crate::{LONG, builder};

fn put(after: Version) -> PutRequest {
    PutRequest::new("shop/x", b"1".to_vec()).when(Condition::Version(after))
}

async fn stored(store: &impl Store, put: &PutRequest) -> Version {
    match store.put_record(put).await.unwrap() {
        Put::Stored(version) => version,
        Put::Conflict(there) => panic!("{there:?}"),
    }
}

/// A record that has been changed before, and logs that are appended to together.
#[tokio::test]
async fn what_there_is_no_memory_for_is_not_done_and_can_be_sent_again() {
    let server = RedisServer::start().await;
    let store = builder().connect(&server.url()).await.unwrap();
    let first = stored(&store, &PutRequest::new("shop/x", b"1".to_vec())).await;
    let second = stored(&store, &put(first)).await;
    let put = put(second);
    let appends = ["shop/a", "shop/b", "shop/c"].map(|log| AppendRequest::new(log, 0, "1"));
    let append = || join_all(appends.iter().map(|append| store.append_log(append)));

    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let error = store.put_record(&put).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");
    for answer in append().await {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");
    }
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    stored(&store, &put).await;
    for answer in append().await {
        assert!(matches!(answer, Ok(Append::Appended)), "{answer:?}");
    }
}

/// Others wait for the lease. The connection stays open, to what is no primary any more.
#[tokio::test]
async fn a_lease_at_a_demoted_primary_is_renewed_at_the_new_one() {
    let primary = RedisServer::start().await;
    let replica = RedisServer::builder().replica_of(&primary).start().await;
    replica.wait_until_replica_synced().await;
    let proxy = Proxy::before(&primary);
    let store = builder().connect(&proxy.url()).await.unwrap();
    let [holder, waiter] = [(); 2].map(|()| LeaseRequest::exclusive("shop/a", LONG));
    store.acquire_lease(&holder).await.unwrap();
    let waiter = waiter.queue(LONG);
    let waits = store.acquire_lease(&waiter).await.unwrap();
    assert!(matches!(waits, Acquired::Waiting { .. }), "{waits:?}");
    replica.wait_until_replica_synced().await;

    replica.promote().await;
    proxy.redirect(replica.addr());
    primary.follow(&replica).await;
    let renew = async || store.renew_leases(&[holder.renewal()]).await.remove(0);
    let error = renew().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotApplied, "{error}");
    let renewed = renew().await;
    assert!(matches!(renewed, Ok(Renewed::Granted(_))), "{renewed:?}");
}
