//! Requests whose key is in use.

use std::time::Duration;

use coord::Coordinator;
use coord::http::IdempotencyLayer;
use coord::testing::{Fault, Operation, Rule};
use coord_tests::fleet::{Fleet, LONG};
use tokio::task::JoinSet;

use crate::server::{Ask, KEY, Server, layer};

const LEASE: Duration = Duration::from_millis(1500);

pub(crate) async fn a_request_in_progress_is_refused_with_the_rest_of_its_lease(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let (server, runs, door) = Server::with_door(layer(&one)).await;
    let (elsewhere, never) = Server::counting(layer(&other)).await;
    let first = server.asking(Ask::new(KEY)).await;
    door.reached().await;
    for server in [&server, &elsewhere] {
        let second = server.post(KEY, "").await;
        second.assert_problem(409, "request-in-progress");
        let retry_after = second.retry_after().unwrap();
        assert!((1..=LONG.as_secs()).contains(&retry_after), "{retry_after}");
    }
    door.open();
    first.await.unwrap().assert_ran("run 1");
    elsewhere.post(KEY, "").await.assert_replayed("run 1");
    assert_eq!((runs.get(), never.get()), (1, 0));
}

pub(crate) async fn a_request_in_progress_is_waited_for_when_asked_to(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let (server, _, door) = Server::with_door(layer(&one).wait(LONG)).await;
    let (elsewhere, never) = Server::counting(layer(&other).wait(LONG)).await;
    let first = server.asking(Ask::new(KEY)).await;
    door.reached().await;
    let waiting = [
        server.asking(Ask::new(KEY)).await,
        elsewhere.asking(Ask::new(KEY)).await,
    ];
    door.open();
    first.await.unwrap().assert_ran("run 1");
    for waiting in waiting {
        waiting.await.unwrap().assert_replayed("run 1");
    }
    assert_eq!(never.get(), 0);

    // A wait that runs out ends as one that was not wanted.
    let short = layer(&other).wait(Duration::from_millis(20));
    let (elsewhere, _) = Server::counting(short).await;
    let first = server.asking(Ask::new("other")).await;
    door.reached().await;
    let second = elsewhere.post("other", "").await;
    second.assert_problem(409, "request-in-progress");
    door.open();
    first.await.unwrap().assert_ran("run 2");
}

/// Two servers, and 200 requests at once. Those who wait all get the one answer.
pub(crate) async fn many_duplicates_run_the_handler_once(fleet: &Fleet) {
    let (one, other) = fleet.two().await;
    let waiting = |coord: &Coordinator| layer(coord).wait(LONG);
    let (one, runs) = Server::counting(waiting(&one)).await;
    let (other, other_runs) = Server::counting(waiting(&other)).await;
    let mut clients = JoinSet::new();
    for client in 0..200 {
        let server = if client % 2 == 0 { &one } else { &other };
        let connection = server.connect().await;
        clients.spawn(async move { connection.ask(Ask::new(KEY).body("ten")).await.unwrap() });
    }
    let replies = clients.join_all().await;
    let replayed = replies.iter().filter(|reply| reply.is_replayed()).count();
    assert_eq!(replayed, 199);
    for reply in replies {
        assert_eq!((reply.status.as_u16(), reply.text()), (200, "run 1"));
    }
    assert_eq!(runs.get() + other_runs.get(), 1);
}

/// A process that is cut from its store stops its handler and tells no result. Others follow when its lease has
/// run out, as they would if it were dead.
pub(crate) async fn a_dead_process_is_followed_after_its_lease(fleet: &Fleet) {
    let (store, cut_off) = fleet.faulty().await;
    let with_lease = |coord: &Coordinator| IdempotencyLayer::new(coord).lease(LEASE);
    let (server, _, door) = Server::with_door(with_lease(&cut_off)).await;
    let other = with_lease(&fleet.process().await).wait(LONG);
    let (other, runs) = Server::counting(other).await;
    let first = server.asking(Ask::new(KEY)).await;
    door.reached().await;
    store.inject(Rule::on(Operation::Put), Fault::BeforeSend);
    store.inject(Rule::on(Operation::Delete), Fault::BeforeSend);
    let next = other.post(KEY, "").await;
    next.assert_ran("run 1");
    let stopped = first.await.unwrap();
    stopped.assert_problem(503, "temporarily-unavailable");
    assert_eq!(stopped.retry_after(), Some(1));
    store.heal();
    // A handler that is stopped does not come back.
    door.open();
    server.post(KEY, "").await.assert_replayed("run 1");
    assert_eq!(runs.get(), 1);
}
