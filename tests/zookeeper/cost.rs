//! How many requests follow each other in an operation.

use coord::store::{
    AppendRequest, Condition, LeaseRequest, Put, PutRequest, Store, ZookeeperStore,
};
use coord_tests::{Wire, shared_zookeeper, unique};

use crate::{LONG, connect, token};

/// The least of several tries: now and then, there is a sign of life besides, or a folder that has to be made.
async fn least(wire: &Wire, mut work: impl AsyncFnMut()) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..20 {
        let before = wire.requests();
        work().await;
        least = least.min(wire.requests() - before);
    }
    least
}

async fn counted() -> (Wire, ZookeeperStore) {
    let url = shared_zookeeper().await;
    let wire = Wire::start(url.trim_start_matches("zk://").parse().expect("an address"));
    let store = connect(&format!("zk://{}", wire.addr())).await;
    // So that there is a folder for whatever name.
    for number in 0..1_500 {
        let put = PutRequest::new(unique("warm"), number.to_string()).ttl(LONG);
        store.put_record(&put).await.expect("a put");
    }
    (wire, store)
}

#[tokio::test]
async fn what_meets_nobody_is_one_round_trip() {
    let (wire, store) = counted().await;
    let put = least(&wire, async || {
        let put = PutRequest::new(unique("put"), "one").when(Condition::Absent);
        store.put_record(&put).await.unwrap();
    });
    assert_eq!(put.await, 1, "put");
    let key = unique("again");
    store
        .put_record(&PutRequest::new(&*key, "one"))
        .await
        .unwrap();
    let again = least(&wire, async || {
        store
            .put_record(&PutRequest::new(&*key, "two"))
            .await
            .unwrap();
    });
    assert_eq!(again.await, 1, "put again");

    let place = unique("place");
    let both = least(&wire, async || {
        let first = PutRequest::new(&*place, "one");
        let second = PutRequest::new(unique("put"), "one").when(Condition::Absent);
        let put = store.put_after(&first, &second).await.unwrap();
        assert!(matches!(put, Put::Stored(_)));
    });
    assert_eq!(both.await, 1, "put after another");
    let again = least(&wire, async || {
        let first = PutRequest::new(&*place, "two");
        let second = PutRequest::new(&*key, "two").when(Condition::Absent);
        let put = store.put_after(&first, &second).await.unwrap();
        assert!(matches!(put, Put::Conflict(Some(_))));
    });
    assert_eq!(again.await, 2, "put after another, of what is there");

    let log = unique("log");
    let mut len = 0;
    let append = least(&wire, async || {
        let append = AppendRequest::new(&*log, len, "one");
        store.append_log(&append).await.unwrap();
        len += 1;
    });
    assert_eq!(append.await, 1, "append");

    let name = unique("lease");
    let lease = least(&wire, async || {
        let request = LeaseRequest::exclusive(&*name, LONG).queue(LONG);
        token(&store, &request).await;
        assert!(store.release_lease(&request.lease).await.unwrap());
    });
    assert_eq!(lease.await, 2, "acquire and release");
}
