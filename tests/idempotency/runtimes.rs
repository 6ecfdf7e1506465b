//! Programs with more than one runtime: one that ends, or that nobody drives, holds nobody up on the others.

use coord::testing::Operation;
use coord::{Coordinator, Error, Outcome};
use coord_tests::fleet::{Fleet, SHORT};
use tokio::runtime::{Builder, Runtime};

use crate::records::{KEY, pays, stands_in_its_body};

/// Only drives its tasks while something is waited for on it.
fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

async fn calls(coord: &Coordinator) {
    let call = coord.idempotency("other");
    call.run(async || Ok::<_, Error>(())).await.unwrap();
}

/// The call is made without a pause, so the task that keeps it has not had its first turn.
#[test]
fn a_runtime_that_ends_at_once_leaves_a_later_one_to_renew() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    runtime().block_on(calls(&one));
    runtime().block_on(async {
        let (door, call) = stands_in_its_body(one.idempotency(KEY).lease(SHORT), 7).await;
        let waiter = tokio::spawn(async move { pays(&other, 8).await });
        fleet.let_pass(SHORT * 3).await;
        door.open();
        assert_eq!(call.await.unwrap().unwrap(), Outcome::Executed(7));
        assert_eq!(waiter.await.unwrap().unwrap(), Outcome::Replayed(7));
    });
}

#[test]
fn a_renewal_that_goes_down_with_its_runtime_is_made_on_the_next() {
    let fleet = Fleet::on_memory();
    let (other, (store, one)) =
        runtime().block_on(async { (fleet.process().await, fleet.faulty().await) });
    let keeps = runtime();
    keeps.block_on(async {
        calls(&one).await;
        tokio::task::yield_now().await;
    });
    runtime().block_on(async {
        let call = one.idempotency(KEY).lease(SHORT * 3);
        let (door, call) = stands_in_its_body(call, 7).await;
        let held = store.hold(Operation::Put);
        let keeps = tokio::task::spawn_blocking(move || {
            keeps.block_on(held.reached());
            keeps.shutdown_background();
        });
        keeps.await.unwrap();
        store.heal();
        let waiter = tokio::spawn(async move { pays(&other, 8).await });
        fleet.let_pass(SHORT * 9).await;
        door.open();
        assert_eq!(call.await.unwrap().unwrap(), Outcome::Executed(7));
        assert_eq!(waiter.await.unwrap().unwrap(), Outcome::Replayed(7));
    });
}

#[test]
fn a_runtime_that_stands_still_loses_no_call_on_another() {
    let fleet = Fleet::on_memory();
    let (one, other) = runtime().block_on(fleet.two());
    let still = runtime();
    still.block_on(calls(&one));
    runtime().block_on(async {
        let (door, call) = stands_in_its_body(one.idempotency(KEY).lease(SHORT), 7).await;
        let waiter = tokio::spawn(async move { pays(&other, 8).await });
        fleet.let_pass(SHORT * 3).await;
        door.open();
        assert_eq!(call.await.unwrap().unwrap(), Outcome::Executed(7));
        assert_eq!(waiter.await.unwrap().unwrap(), Outcome::Replayed(7));
    });
    drop(still);
}

/// The caller goes while the result is on its way to the store, which is then sent in the background.
#[test]
fn a_runtime_that_stands_still_keeps_no_result_on_another_from_being_stored() {
    let fleet = Fleet::on_memory();
    let (other, (store, one)) =
        runtime().block_on(async { (fleet.process().await, fleet.faulty().await) });
    let still = runtime();
    still.block_on(calls(&one));
    runtime().block_on(async {
        let (door, call) = stands_in_its_body(one.idempotency(KEY).lease(SHORT), 7).await;
        let held = store.hold(Operation::Put);
        door.open();
        held.reached().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        drop(held);
        store.heal();
        assert_eq!(pays(&other, 8).await.unwrap(), Outcome::Replayed(7));
    });
    drop(still);
}
