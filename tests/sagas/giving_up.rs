//! Sagas that are given up while a process is about to go on with them: nothing more is done or undone.

use std::time::Duration;

use coord::__private::{run_saga, start_saga};
use coord::SagaError;
use coord::saga::Recovered;
use coord::testing::{Fault, FaultStore, Held, Operation, Rule};
use coord_tests::fleet::Fleet;

use crate::closures;
use crate::running::{dies, faulty, stands_in};
use crate::shop::{Does, Order, Shop, order, process};

const ID: &str = "Order/7";

async fn is_given_up(fleet: &Fleet, id: &str) {
    let operator = fleet.process().await;
    assert!(operator.sagas().abandon(id, "lost").await.unwrap());
}

fn assert_abandoned<T: std::fmt::Debug>(ended: &Result<T, SagaError>) {
    assert!(
        matches!(ended, Err(SagaError::Abandoned { .. })),
        "{ended:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_is_about_to_take_it_over_does_nothing() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, dead) = faulty(&fleet, &shop).await;
    let (_door, _handle) = stands_in(&dead, &shop, "charge").await;
    dies(&store);
    fleet.let_pass(Duration::from_secs(2)).await;
    let (store, next) = faulty(&fleet, &shop).await;
    // It is the owner, and what tells that in the log is on its way.
    let held = store.hold(Rule::on(Operation::Append));
    assert_eq!(next.recover().await.unwrap().resumed, 1);
    held.reached().await;
    is_given_up(&fleet, ID).await;
    held.release();
    assert_abandoned(&run_saga(Some(&next), order()).await);
    assert_eq!(shop.asked(), ["reserve", "charge"]);
}

/// Holds a saga up when it has appended so often, before what comes next.
fn holds_behind(store: &FaultStore, appends: usize) -> Held {
    store.hold_reply(Rule::on(Operation::Append).skipping(appends - 1))
}

/// What is asked of the shop if the saga is given up there.
async fn given_up_behind(appends: usize, shop: &Shop) -> Vec<String> {
    let fleet = Fleet::on_memory();
    let (store, coord) = faulty(&fleet, shop).await;
    let held = holds_behind(&store, appends);
    let saga = start_saga(Some(&coord), order()).unwrap();
    held.reached().await;
    is_given_up(&fleet, ID).await;
    held.release();
    assert_abandoned(&saga.wait().await);
    shop.asked()
}

#[tokio::test(start_paused = true)]
async fn a_step_that_waits_for_its_next_attempt_is_not_tried_again() {
    let shop = Shop::default();
    shop.order("charge", Does::Fails(1));
    assert_eq!(given_up_behind(2, &shop).await, ["reserve", "charge"]);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_waits_for_its_next_attempt_is_not_tried_again() {
    let shop = Shop::default();
    shop.order("ship", Does::Fails(1));
    shop.order("refund", Does::Fails(1));
    let asked = given_up_behind(4, &shop).await;
    assert_eq!(asked, ["reserve", "charge", "ship", "refund"]);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_of_closures_that_waits_is_not_tried_again() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    shop.order("three", Does::Fails(1));
    shop.order("undo two", Does::Fails(1));
    let (store, coord) = faulty(&fleet, &shop).await;
    let held = holds_behind(&store, 4);
    let is_given_up = async {
        held.reached().await;
        is_given_up(&fleet, "closures/import:7").await;
        held.release();
    };
    let (ended, ()) = tokio::join!(closures::runs(&coord, &shop), is_given_up);
    assert_abandoned(&ended);
    assert_eq!(shop.asked(), ["one", "two", "three", "undo two"]);
}

/// Whoever gives it up dies in the middle of that, when its log says already that somebody else has it.
async fn is_half_given_up(fleet: &Fleet, id: &str) {
    let (store, operator) = faulty(fleet, &Shop::default()).await;
    store.inject(Operation::Put, Fault::BeforeSend);
    let failed = operator.sagas().abandon(id, "lost").await;
    assert!(failed.is_err(), "{failed:?}");
}

/// It is listed until it is known what has become of it, so it is found if its process dies before that.
#[tokio::test(start_paused = true)]
async fn one_that_is_given_up_by_half_stays_listed() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, dies_too) = faulty(&fleet, &shop).await;
    let (door, _handle) = stands_in(&dies_too, &shop, "charge").await;
    is_half_given_up(&fleet, ID).await;
    let held = store.hold(Rule::on(Operation::Get).key_containing(ID));
    door.open();
    held.reached().await;
    let id = "8".to_owned();
    let another = Order { id, total: 1 };
    run_saga(Some(&dies_too), another).await.unwrap();
    dies(&store);
    fleet.let_pass(Duration::from_secs(2)).await;
    let next = process(&fleet, &shop).await;
    assert_eq!(next.recover().await.unwrap().resumed, 1);
    run_saga(Some(&next), order()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_its_next_attempt_gives_its_place_in_the_list_to_the_next() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    shop.order("charge", Does::Fails(1));
    let (store, coord) = faulty(&fleet, &shop).await;
    let held = holds_behind(&store, 2);
    let saga = start_saga(Some(&coord), order()).unwrap();
    held.reached().await;
    is_given_up(&fleet, ID).await;
    held.release();
    assert_abandoned(&saga.wait().await);
    store.forget_operations();
    assert_eq!(coord.recover().await.unwrap(), Recovered::default());
    assert_eq!(store.count(Operation::Get), 0);
}

/// Whoever gave it up first may not have come to that.
#[tokio::test(start_paused = true)]
async fn one_that_is_given_up_again_leaves_no_log() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let coord = process(&fleet, &shop).await;
    let (_door, _handle) = stands_in(&coord, &shop, "charge").await;
    let (store, operator) = faulty(&fleet, &Shop::default()).await;
    store.fail_next(Operation::Expire, Fault::BeforeSend);
    let failed = operator.sagas().abandon(ID, "lost").await;
    assert!(failed.is_err(), "{failed:?}");
    store.forget_operations();
    assert!(!operator.sagas().abandon(ID, "lost").await.unwrap());
    assert_eq!(store.count(Operation::Expire), 1);
}
