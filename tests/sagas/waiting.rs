//! Waiting for a saga that this process hears nothing of. On a clock that goes on by itself when everybody waits for it.

use std::fmt::Debug;
use std::time::Duration;

use coord::__private::{run_saga, start_saga};
use coord::saga::ClosureSaga;
use coord::testing::{Fault, FaultStore, Operation, Rule};
use coord::{Coordinator, SagaError};
use coord_tests::fleet::Fleet;
use coord_tests::until;

use crate::running::{dies, stands_in};
use crate::shop::{Does, Door, Shop, order};

/// How long a saga is kept that has ended.
const KEPT: Duration = Duration::from_secs(5);
/// How long it takes at most until somebody looks without being woken, and until a membership has ended.
const LONG: Duration = Duration::from_secs(60);

/// A process that keeps sagas for a short time, and whose store fails on demand.
async fn forgetful(fleet: &Fleet, shop: &Shop) -> (FaultStore, Coordinator) {
    let store = FaultStore::new(fleet.own_store().await);
    let coord = Coordinator::builder()
        .store(store.clone())
        .namespace(fleet.namespace())
        .provide(shop.clone())
        .saga_retention(KEPT)
        .build();
    (store, coord)
}

/// Of a saga that is forgotten, nobody knows how it has ended.
#[track_caller]
fn forgotten<T: Debug>(ended: Result<T, SagaError>) {
    let error = ended.unwrap_err();
    assert!(
        matches!(&error, SagaError::Abandoned { reason } if reason.contains("not stored any more")),
        "{error:?}"
    );
}

async fn pays(coord: &Coordinator, shop: &Shop) -> Result<String, SagaError> {
    let body =
        async |saga: &ClosureSaga| saga.step("pay", async || shop.does("pay", 1).await).await;
    coord.saga("order:7").run(body).await
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_elsewhere_and_is_forgotten_is_not_begun_again() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (_, one) = forgetful(&fleet, &shop).await;
    let (store, other) = forgetful(&fleet, &shop).await;
    store.lose_wake_ups(true);
    let (door, first) = stands_in(&one, &shop, "charge").await;
    let waiting = start_saga(Some(&other), order()).unwrap();
    fleet.let_pass(Duration::from_secs(1)).await;
    door.open();
    first.wait().await.unwrap();
    forgotten(waiting.wait().await);
    assert_eq!(shop.asked(), ["reserve", "charge", "ship"]);
    run_saga(Some(&other), order()).await.unwrap();
    assert_eq!(shop.asked().len(), 6, "another call is for another saga");
}

#[tokio::test(start_paused = true)]
async fn one_of_closures_that_ended_elsewhere_and_is_forgotten_is_not_begun_again() {
    let (fleet, shop, door) = (Fleet::on_memory(), Shop::default(), Door::default());
    let (_, one) = forgetful(&fleet, &shop).await;
    let (store, other) = forgetful(&fleet, &shop).await;
    store.lose_wake_ups(true);
    shop.order("pay", Does::Waits(door.clone()));
    let elsewhere = async {
        door.reached().await;
        let opens = async {
            fleet.let_pass(Duration::from_secs(1)).await;
            door.open();
        };
        tokio::join!(pays(&other, &shop), opens).0
    };
    let (first, waited) = tokio::join!(pays(&one, &shop), elsewhere);
    assert_eq!(first.unwrap(), "pay 1");
    forgotten(waited);
    assert_eq!(shop.asked(), ["pay"]);
}

/// It is stored that it has ended, and the answer is lost.
#[tokio::test(start_paused = true)]
async fn one_that_ended_unheard_and_is_forgotten_is_not_begun_again() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, coord) = forgetful(&fleet, &shop).await;
    let ending = store.hold_reply(Rule::on(Operation::Put).skipping(2));
    let handle = start_saga(Some(&coord), order()).unwrap();
    ending.reached().await;
    dies(&store);
    fleet.let_pass(LONG).await;
    store.heal();
    ending.release();
    forgotten(handle.wait().await);
    assert_eq!(shop.asked(), ["reserve", "charge", "ship"]);
}

/// It is stored that it begins, and the answer is lost; others go on with it.
#[tokio::test(start_paused = true)]
async fn one_that_began_unheard_and_is_forgotten_is_not_begun_again() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (store, one) = forgetful(&fleet, &shop).await;
    let heads = || Rule::on(Operation::Put).key_containing("/saga/");
    store.inject(heads().times(1), Fault::AfterApply);
    store.inject(heads(), Fault::BeforeSend);
    let handle = start_saga(Some(&one), order()).unwrap();
    until("the head to be stored", async || {
        (store.count(Operation::Put) > 1).then_some(())
    })
    .await;
    dies(&store);
    fleet.let_pass(LONG).await;
    let (_, other) = forgetful(&fleet, &shop).await;
    run_saga(Some(&other), order()).await.unwrap();
    fleet.let_pass(LONG).await;
    store.heal();
    forgotten(handle.wait().await);
    assert_eq!(shop.asked(), ["reserve", "charge", "ship"]);
}

#[tokio::test(start_paused = true)]
async fn one_who_cannot_watch_a_saga_hears_of_its_end() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (_, one) = forgetful(&fleet, &shop).await;
    let (store, other) = forgetful(&fleet, &shop).await;
    store.inject(Rule::on(Operation::Watch), Fault::BeforeSend);
    let (door, first) = stands_in(&one, &shop, "charge").await;
    let waiting = start_saga(Some(&other), order()).unwrap();
    fleet.let_pass(Duration::from_secs(1)).await;
    door.open();
    first.wait().await.unwrap();
    let waited = tokio::time::timeout(LONG, waiting.wait()).await;
    waited.expect("it looks without a watch").unwrap();
    assert_eq!(shop.asked(), ["reserve", "charge", "ship"]);
}

#[tokio::test(start_paused = true)]
async fn one_who_cannot_watch_a_saga_takes_it_over() {
    let (fleet, shop) = (Fleet::on_memory(), Shop::default());
    let (dead, one) = forgetful(&fleet, &shop).await;
    let (store, other) = forgetful(&fleet, &shop).await;
    store.inject(Rule::on(Operation::Watch), Fault::BeforeSend);
    let (_door, _first) = stands_in(&one, &shop, "charge").await;
    let waiting = start_saga(Some(&other), order()).unwrap();
    fleet.let_pass(Duration::from_secs(1)).await;
    dies(&dead);
    let waited = tokio::time::timeout(LONG, waiting.wait()).await;
    waited.expect("it looks without a watch").unwrap();
    assert_eq!(shop.asked(), ["reserve", "charge", "charge", "ship"]);
}
