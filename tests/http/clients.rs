//! Clients that hang up, and servers that stop.

use axum::http::StatusCode;
use coord::testing::Operation;
use coord_tests::fleet::{Dropped, Fleet, LONG};

use crate::server::{Ask, Count, Door, KEY, Server, layer};

pub(crate) async fn a_handler_goes_on_when_its_client_hangs_up(fleet: &Fleet) {
    let (server, runs, door) = Server::with_door(layer(&fleet.process().await).wait(LONG)).await;
    let first = server.asking(Ask::new(KEY)).await;
    door.reached().await;
    first.abort();
    server.hung_up().until(1).await;
    door.open();
    server.post(KEY, "").await.assert_replayed("run 1");
    assert_eq!(runs.get(), 1);
}

/// The first fails, and those who wait would run the handler next. One of them has gone.
pub(crate) async fn a_client_that_hangs_up_while_it_waits_runs_nothing(fleet: &Fleet) {
    let (runs, door) = (Count::default(), Door::shut());
    let (counted, inside) = (runs.clone(), door.clone());
    let handler = move || {
        let (run, inside) = (counted.add(), inside.clone());
        async move {
            inside.pass().await;
            let status = if run == 1 { 500 } else { 200 };
            (StatusCode::from_u16(status).unwrap(), format!("run {run}"))
        }
    };
    let (store, coord) = fleet.faulty().await;
    let layer = layer(&coord).wait(LONG);
    let server = Server::guarded(layer.clone(), handler).await;
    let first = server.asking(Ask::new(KEY)).await;
    door.reached().await;
    let waiter = server.asking(Ask::new(KEY)).await;
    let watches = async || (store.count(Operation::Watch) > 0).then_some(());
    coord_tests::until("the waiter to watch", watches).await;
    waiter.abort();
    server.hung_up().until(1).await;
    door.open();
    assert_eq!(first.await.unwrap().status, 500);
    layer.idle().await;
    assert_eq!(runs.get(), 1);
    door.open();
    server.post(KEY, "").await.assert_ran("run 2");
}

pub(crate) async fn handlers_without_clients_can_be_waited_for(fleet: &Fleet) {
    let coord = fleet.process().await;
    let layer = layer(&coord);
    let (server, _, door) = Server::with_door(layer.clone()).await;
    layer.idle().await;
    let first = server.asking(Ask::new(KEY)).await;
    door.reached().await;
    first.abort();
    server.hung_up().until(1).await;
    let mut idle = Box::pin(layer.idle());
    assert!(futures_util::poll!(&mut idle).is_pending());
    door.open();
    idle.await;
    // What it has said is in the store.
    coord.shutdown().await;
    let other = crate::server::layer(&fleet.process().await);
    let (other, _) = Server::counting(other).await;
    other.post(KEY, "").await.assert_replayed("run 1");
}

pub(crate) async fn shutting_down_ends_handlers(fleet: &Fleet) {
    let coord = fleet.process().await;
    let (ended, door) = (Dropped::default(), Door::shut());
    let (inside, guards) = (door.clone(), ended.clone());
    let handler = move || {
        let (guard, inside) = (guards.guard(), inside.clone());
        async move {
            let _guard = guard;
            inside.pass().await;
        }
    };
    let server = Server::guarded(layer(&coord), handler).await;
    let with_client = server.asking(Ask::new(KEY)).await;
    door.reached().await;
    let without_client = server.asking(Ask::new("without client")).await;
    door.reached().await;
    without_client.abort();
    server.hung_up().until(1).await;
    coord.shutdown().await;
    assert!(ended.get());
    let reply = with_client.await.unwrap();
    reply.assert_problem(503, "temporarily-unavailable");
    let later = server.post("later", "").await;
    later.assert_problem(503, "temporarily-unavailable");
    // Nothing is left running: another process goes ahead.
    let (other, _) = Server::counting(layer(&fleet.process().await).wait(LONG)).await;
    other.post(KEY, "").await.assert_ran("run 1");
    other.post("without client", "").await.assert_ran("run 2");
}
