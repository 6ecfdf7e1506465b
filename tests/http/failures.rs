//! Stores, handlers and settings that fail.

use std::time::Duration;

use axum::Router;
use coord::testing::{Fault, Operation, Rule};
use coord_tests::fleet::Fleet;

use crate::server::{Ask, Count, KEY, Server, layer};

pub(crate) async fn a_store_that_fails_runs_nothing(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    let (server, runs) = Server::counting(layer(&coord)).await;
    for fault in [Fault::BeforeSend, Fault::AfterApply] {
        store.inject(Rule::on(Operation::Put), fault);
        let refused = server.post(KEY, "").await;
        refused.assert_problem(503, "temporarily-unavailable");
        assert_eq!(refused.retry_after(), Some(1));
        assert_eq!(runs.get(), 0);
        store.heal();
    }
    let (server, _) = Server::counting(layer(&coord).wait(Duration::from_secs(30))).await;
    server.post(KEY, "").await.assert_ran("run 1");
}

/// The handler has run, and nobody can say whether its result will count. It does once the store is back.
pub(crate) async fn a_store_that_fails_afterwards_does_not_tell_a_result(fleet: &Fleet) {
    let (store, coord) = fleet.faulty().await;
    let lease = Duration::from_secs(1);
    let layer = layer(&coord).lease(lease);
    let (server, _, door) = Server::with_door(layer).await;
    let first = server.asking(Ask::new(KEY)).await;
    door.reached().await;
    store.inject(Rule::on(Operation::Put), Fault::BeforeSend);
    door.open();
    let reply = first.await.unwrap();
    reply.assert_problem(503, "temporarily-unavailable");
    store.heal();
    fleet.let_pass(lease).await;
    server.post(KEY, "").await.assert_replayed("run 1");
}

pub(crate) async fn a_handler_that_panics_is_run_again(fleet: &Fleet) {
    let runs = Count::default();
    let handler = move || {
        let run = runs.add();
        async move {
            assert!(run > 1, "a panic that is meant");
            format!("run {run}")
        }
    };
    let server = Server::guarded(layer(&fleet.process().await), handler).await;
    // The panic is passed on, and ends the connection as it does without the layer.
    let connection = server.connect().await;
    assert!(connection.ask(Ask::new(KEY)).await.is_err());
    let again = async || {
        let reply = server.post(KEY, "").await;
        (reply.status == 200).then_some(reply)
    };
    let reply = coord_tests::until("the record to be released", again).await;
    reply.assert_ran("run 2");
}

pub(crate) async fn a_layer_within_itself_is_an_error(fleet: &Fleet) {
    let layer = layer(&fleet.process().await);
    let runs = Count::default();
    let counted = runs.clone();
    let handler = move || {
        counted.add();
        async {}
    };
    let router = Router::new().fallback(handler).layer(layer.clone());
    let server = Server::of(router.layer(layer)).await;
    let reply = server.post(KEY, "").await;
    reply.assert_problem(500, "internal-error");
    assert_eq!(runs.get(), 0);
}

pub(crate) async fn settings_without_sense_are_an_error(fleet: &Fleet) {
    let coord = fleet.process().await;
    let second = Duration::from_secs(1);
    for senseless in [
        layer(&coord).ttl(Duration::ZERO),
        layer(&coord).lease(Duration::ZERO),
        layer(&coord).ttl(second).lease(2 * second),
    ] {
        let (server, runs) = Server::counting(senseless).await;
        let reply = server.post(KEY, "").await;
        reply.assert_problem(500, "internal-error");
        assert_eq!(runs.get(), 0);
    }
}
