//! Lines whose members die or leave together, and marks against requests that come late.

use coord::store::{Acquired, FencingToken, LeaseRequest, RedisStore, Renewed, Store};
use coord_tests::RedisServer;

use crate::{LONG, builder};

async fn server_and_store() -> (RedisServer, RedisStore) {
    let server = RedisServer::start().await;
    let store = builder().connect(&server.url()).await.unwrap();
    (server, store)
}

fn exclusive() -> LeaseRequest {
    LeaseRequest::exclusive("shop/a", LONG)
}

async fn granted(store: &RedisStore, request: &LeaseRequest) -> FencingToken {
    match store.acquire_lease(request).await.unwrap() {
        Acquired::Granted(token) => token,
        other => panic!("{other:?}"),
    }
}

async fn waits(store: &RedisStore, request: &LeaseRequest) {
    let answer = store.acquire_lease(request).await.unwrap();
    assert!(matches!(answer, Acquired::Waiting { .. }), "{answer:?}");
}

async fn renewed(store: &RedisStore, request: &LeaseRequest) -> Renewed {
    let mut answers = store.renew_leases(&[request.renewal()]).await;
    answers.remove(0).unwrap()
}

async fn handed_over(store: &RedisStore, request: &LeaseRequest) -> FencingToken {
    match renewed(store, request).await {
        Renewed::Granted(token) => token,
        other => panic!("{other:?}"),
    }
}

async fn released(store: &RedisStore, request: &LeaseRequest) -> bool {
    store.release_lease(&request.lease).await.unwrap()
}

/// It begins a later epoch, in which those in front of it have no token yet.
#[tokio::test]
async fn grants_grow_behind_one_who_asks_for_a_token_far_ahead() {
    let (_server, store) = server_and_store().await;
    let [first, second, third, fourth] = [(); 4].map(|()| exclusive());
    let [second, mut third, fourth] = [second, third, fourth].map(|one| one.queue(LONG));
    let mut last = granted(&store, &first).await;
    waits(&store, &second).await;
    let far_ahead = FencingToken::new(u64::from(last) + (1_000 << 32));
    third.token_floor = Some(far_ahead);
    waits(&store, &third).await;
    waits(&store, &fourth).await;
    for [leaves, comes] in [[&first, &second], [&second, &third], [&third, &fourth]] {
        assert!(released(&store, leaves).await);
        let token = handed_over(&store, comes).await;
        assert!(token > last, "{token:?} after {last:?}");
        last = token;
    }
    assert!(last > far_ahead);
}
