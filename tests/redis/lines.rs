//! Lines whose members die or leave together, and marks against requests that come late.

use std::time::Duration;

use coord::store::{Acquired, FencingToken, LeaseRequest, RedisStore, Renewed, Store};
use coord_tests::{Proxy, RedisServer, unique, until};
use futures_util::FutureExt as _;
use futures_util::future::join3;

use crate::{LONG, builder};

/// A ttl that ends while a test waits for it.
const SHORT: Duration = Duration::from_millis(50);

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

/// Returns when this long has passed by the server's clock. What it looks at is nothing else's.
async fn let_pass(store: &RedisStore, time: Duration) {
    let glass = LeaseRequest::exclusive(unique("shop/hourglass"), time);
    granted(store, &glass).await;
    until("a lease to end", async || {
        let line = store.inspect_lease(&glass.lease.resource).await.unwrap();
        line.is_empty().then_some(())
    })
    .await;
}

/// Ends all that would end by itself, as hours would. What has no end stays.
async fn let_everything_end(server: &RedisServer) {
    for key in server.cli(&["KEYS", "*"]).await.array() {
        if server.cli(&["PTTL", &key.text()]).await.int() >= 0 {
            server.cli(&["DEL", &key.text()]).await;
        }
    }
}

/// What is left of a line is older than the one who comes, and must not outlast it.
#[tokio::test]
async fn a_line_whose_members_all_died_leaves_nobody_in_a_later_one() {
    let (server, store) = server_and_store().await;
    let [first, second, third, fourth, fifth] = [(); 5].map(|()| exclusive());
    let second = second.queue(SHORT);
    let fifth = fifth.queue(LONG);
    granted(&store, &first).await;
    waits(&store, &second).await;
    assert!(released(&store, &first).await);
    let_pass(&store, SHORT).await;
    let third = LeaseRequest {
        ttl: SHORT,
        ..third
    };
    granted(&store, &third).await;
    let_pass(&store, SHORT).await;
    let_everything_end(&server).await;

    granted(&store, &fourth).await;
    waits(&store, &fifth).await;
    assert!(matches!(
        renewed(&store, &fourth).await,
        Renewed::Granted(_)
    ));
    assert!(released(&store, &fourth).await);
    handed_over(&store, &fifth).await;
    assert!(released(&store, &fifth).await);
    granted(&store, &exclusive()).await;
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

/// The first of them ends the line that the second looks for.
#[tokio::test]
async fn releases_of_one_line_that_are_sent_together_are_answered_each_by_itself() {
    let (_server, store) = server_and_store().await;
    let [holder, waiter, stranger] = [(); 3].map(|()| exclusive());
    let waiter = waiter.queue(LONG);
    let other = LeaseRequest::exclusive("shop/b", LONG);
    granted(&store, &holder).await;
    waits(&store, &waiter).await;
    assert!(released(&store, &waiter).await);
    granted(&store, &other).await;
    // While one is under way, others are put together.
    let answers = join3(
        store.release_lease(&other.lease),
        store.release_lease(&holder.lease),
        store.release_lease(&stranger.lease),
    );
    let (other, holder, stranger) = answers.await;
    assert!(other.unwrap() && holder.unwrap());
    assert!(!stranger.unwrap());
}

/// Alone, and together with others.
#[tokio::test]
async fn a_holder_that_leaves_keeps_out_the_late_request_of_one_that_has_left() {
    let (server, store) = server_and_store().await;
    let network = builder().connect(&server.url()).await.unwrap();
    for is_alone in [true, false] {
        let [holder, late] = [(); 2].map(|()| exclusive());
        granted(&store, &holder).await;
        // Nobody waits for the reply, so the request may still come when it has been given up.
        assert!(store.acquire_lease(&late).now_or_never().is_none());
        assert!(!released(&store, &late).await);
        if is_alone {
            assert!(released(&store, &holder).await);
        } else {
            let others = ["shop/b", "shop/c"].map(|other| LeaseRequest::exclusive(other, LONG));
            for other in &others {
                granted(&store, other).await;
            }
            let answers = join3(
                store.release_lease(&others[0].lease),
                store.release_lease(&others[1].lease),
                store.release_lease(&holder.lease),
            );
            let (one, two, holder) = answers.await;
            assert!(one.unwrap() && two.unwrap() && holder.unwrap());
        }
        let answer = network.acquire_lease(&late).await.unwrap();
        assert!(matches!(answer, Acquired::Busy), "{answer:?}");
        let next = exclusive();
        granted(&store, &next).await;
        assert!(released(&store, &next).await);
    }
}

/// The line goes on faster than the one whose reply was lost asks again.
#[tokio::test]
async fn a_release_sent_again_answers_the_same_after_many_others_have_left() {
    let (server, network) = server_and_store().await;
    let proxy = Proxy::before(&server);
    let store = builder().connect(&proxy.url()).await.unwrap();
    for (somebody_stays, is_doubtful) in
        [(true, false), (false, false), (true, true), (false, true)]
    {
        let holder = exclusive();
        if is_doubtful {
            proxy.cut_after_next("EVALSHA", 1);
            assert!(store.acquire_lease(&holder).await.is_err());
        }
        granted(&store, &holder).await;
        let others = [(); 12].map(|()| exclusive().queue(LONG));
        for other in &others {
            waits(&network, other).await;
        }
        proxy.cut_after_next("EVALSHA", 1);
        let error = store.release_lease(&holder.lease).await.unwrap_err();
        assert!(error.may_have_applied(), "{error:?}");
        let (last, others) = others.split_last().unwrap();
        for other in others {
            assert!(released(&network, other).await);
        }
        if !somebody_stays {
            assert!(released(&network, last).await);
        }
        assert!(released(&store, &holder).await);
        released(&network, last).await;
    }
}
