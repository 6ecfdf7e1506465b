//! Connections that break, and answers that do not come.

use coord::Error;
use coord_tests::{Proxy, RedisServer, until};

use crate::setup::{LONG, SHORT, coordinator, let_pass, line, token, until_line};

const SCRIPT: &str = "EVALSHA";

/// The request is lost, or its answer is.
const CUTS: [fn(&Proxy); 2] = [
    |proxy| proxy.cut_before_next(SCRIPT, 1),
    |proxy| proxy.cut_after_next(SCRIPT, 1),
];

#[tokio::test]
async fn a_connection_cut_during_the_acquisition_gets_one_lease() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    for (round, cut) in CUTS.iter().enumerate() {
        cut(&proxy);
        let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
        assert_eq!(proxy.cuts(), 1 + round as u64);
        let line = line(&direct, "a").await;
        assert_eq!(line.len(), 1);
        assert_eq!(line[0].token, lease.token());
        lease.release().await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_cut_on_the_way_into_the_line_leaves_one_place() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    for cut in CUTS {
        let holder = direct.lock("a").acquire().await.unwrap();
        cut(&proxy);
        let waiter = tokio::spawn({
            let coord = coord.clone();
            async move { coord.lock("a").acquire().await }
        });
        until_line(&direct, "a", 1, 1).await;
        holder.release().await.unwrap();
        let lease = waiter.await.unwrap().unwrap();
        assert_eq!(line(&direct, "a").await.len(), 1);
        lease.release().await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_cut_during_the_hold_is_made_anew_and_the_lease_kept() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    let lease = coord.lock("a").ttl(SHORT).acquire().await.unwrap();
    for _ in 0..3 {
        proxy.cut();
        let_pass(&direct, SHORT).await;
        assert!(direct.lock("a").try_acquire().await.unwrap().is_none());
    }
    assert!(lease.is_held());
    lease.release().await.unwrap();
}

#[tokio::test]
async fn a_connection_cut_during_a_renewal_loses_nothing() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    let lease = coord.lock("a").ttl(SHORT).acquire().await.unwrap();
    for (round, cut) in CUTS.iter().enumerate() {
        cut(&proxy);
        until("the renewal to be cut", async || {
            (proxy.cuts() == 1 + round as u64).then_some(())
        })
        .await;
        let_pass(&direct, SHORT).await;
        assert!(lease.is_held());
    }
    lease.release().await.unwrap();
}

#[tokio::test]
async fn a_connection_cut_during_the_release_releases_once_and_says_so() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    for cut in CUTS {
        let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
        cut(&proxy);
        lease
            .release()
            .await
            .expect("it was held, whichever request released it");
        assert_eq!(line(&direct, "a").await, []);
    }
}

/// The first request releases; another is in when it is made again.
#[tokio::test]
async fn a_release_that_is_made_again_does_not_release_the_next_holder() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    let waiter = tokio::spawn({
        let direct = direct.clone();
        async move { direct.lock("a").acquire().await }
    });
    until_line(&direct, "a", 1, 1).await;
    proxy.cut_after_next(SCRIPT, 1);
    lease.release().await.unwrap();
    let next = waiter.await.unwrap().unwrap();
    assert_eq!(line(&direct, "a").await[0].token, next.token());
    next.release().await.unwrap();
}

#[tokio::test]
async fn a_connection_cut_while_waiting_is_made_anew_and_the_turn_comes() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    let holder = direct.lock("a").acquire().await.unwrap();
    let waiter = tokio::spawn(async move { coord.lock("a").acquire().await });
    until_line(&direct, "a", 1, 1).await;
    let place = line(&direct, "a").await[1].owner;
    proxy.cut();
    holder.release().await.unwrap();
    let lease = waiter.await.unwrap().unwrap();
    assert_eq!(line(&direct, "a").await[0].owner, place);
    lease.release().await.unwrap();
}

#[tokio::test]
async fn a_wake_up_that_is_swallowed_delays_the_waiter_and_no_more() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    let holder = direct.lock("a").acquire().await.unwrap();
    proxy.swallow_pushes(true);
    let waiter = tokio::spawn(async move { coord.lock("a").ttl(SHORT).acquire().await });
    until_line(&direct, "a", 1, 1).await;
    holder.release().await.unwrap();
    waiter.await.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test]
async fn an_acquisition_whose_reply_is_swallowed_gets_one_lease() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    proxy.swallow_replies(true);
    let call = tokio::spawn(async move { coord.lock("a").ttl(LONG).acquire().await });
    until_line(&direct, "a", 1, 0).await;
    proxy.swallow_replies(false);
    let lease = call.await.unwrap().unwrap();
    assert_eq!(line(&direct, "a").await.len(), 1);
    lease.release().await.unwrap();
}

#[tokio::test]
async fn a_release_whose_reply_is_swallowed_is_known_to_be_done() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    let lease = coord.lock("a").ttl(LONG).acquire().await.unwrap();
    proxy.swallow_replies(true);
    let release = tokio::spawn(lease.release());
    until_line(&direct, "a", 0, 0).await;
    proxy.swallow_replies(false);
    release.await.unwrap().unwrap();
}

/// The store renews all the time, but the holder hears nothing of it and must not trust in it.
#[tokio::test]
async fn a_holder_that_hears_nothing_gives_up_in_time() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    let lease = coord.lock("a").ttl(SHORT).acquire().await.unwrap();
    proxy.swallow_replies(true);
    let next = direct.lock("a").acquire().await.unwrap();
    assert!(!lease.is_held());
    lease.lost().await;
    proxy.swallow_replies(false);
    assert!(token(&next) > token(&lease));
    let released = lease.release().await;
    assert!(
        matches!(released, Err(Error::LockLost { .. })),
        "{released:?}"
    );
    assert!(next.is_held());
}

#[tokio::test]
async fn a_holder_that_is_cut_off_knows_before_the_next_one_has_it() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let (coord, direct) = (
        coordinator(&proxy.url()).await,
        coordinator(&server.url()).await,
    );
    let body = coord.lock("a").ttl(SHORT).run(async |_| {
        proxy.refuse();
        proxy.cut();
        std::future::pending::<Result<(), Error>>().await
    });
    let next = async {
        until_line(&direct, "a", 1, 0).await;
        direct.lock("a").acquire().await
    };
    // Polled in this order: when the next one has it, the body has had its chance to go.
    let (out, next) = tokio::join!(body, next);
    assert!(matches!(out, Err(Error::LockLost { .. })), "{out:?}");
    assert!(next.unwrap().is_held());
    proxy.accept();
    coord
        .lock("b")
        .acquire()
        .await
        .expect("the connection is made anew")
        .release()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_stands_still_for_a_while_is_waited_for() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(&server);
    let coord = coordinator(&proxy.url()).await;
    server.pause();
    let (asks, connects_again) = (proxy.until_request(SCRIPT), proxy.until_request("HELLO"));
    let call = tokio::spawn(async move { coord.lock("a").ttl(LONG).acquire().await });
    asks.await;
    // The first answer is given up.
    connects_again.await;
    server.resume();
    let lease = call.await.unwrap().unwrap();
    let direct = coordinator(&server.url()).await;
    assert_eq!(line(&direct, "a").await.len(), 1);
    lease.release().await.unwrap();
}
