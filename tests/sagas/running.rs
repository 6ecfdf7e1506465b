//! What becomes of a saga.

use std::time::Duration;

use coord::__private::{SagaHandle, run_saga, start_saga};
use coord::saga::SagaState;
use coord::testing::{Fault, FaultStore, Operation, Rule};
use coord::{Coordinator, Error, SagaError};
use coord_tests::fleet::Fleet;
use coord_tests::until;

use crate::shop::{Does, Door, Long, Order, Ordered, Pivoted, Shop, ShopError, order, process};

async fn runs(coord: &Coordinator) -> Result<Ordered, SagaError> {
    run_saga(Some(coord), order()).await
}

/// A saga that stands in this step.
pub(crate) async fn stands_in(
    coord: &Coordinator,
    shop: &Shop,
    step: &'static str,
) -> (Door, SagaHandle<Order>) {
    let door = Door::default();
    shop.order(step, Does::Waits(door.clone()));
    let handle = start_saga(Some(coord), order()).expect("it starts");
    door.reached().await;
    (door, handle)
}

/// A process that fails on demand.
pub(crate) async fn faulty(fleet: &Fleet, shop: &Shop) -> (FaultStore, Coordinator) {
    let store = FaultStore::new(fleet.own_store().await);
    let coord = Coordinator::builder()
        .store(store.clone())
        .namespace(fleet.namespace())
        .provide(shop.clone())
        .lock_ttl(Duration::from_secs(2))
        .build();
    (store, coord)
}

/// Nothing of this process reaches the store any more.
pub(crate) fn dies(store: &FaultStore) {
    store.inject(Rule::on_everything(), Fault::BeforeSend);
}

/// Does `run`, which runs one saga, and returns when the log of that is being told to expire.
pub(crate) async fn until_cleaned_up<T>(store: &FaultStore, run: impl Future<Output = T>) -> T {
    let expiry = store.hold(Rule::on(Operation::Expire));
    let done = run.await;
    expiry.reached().await;
    expiry.release();
    done
}

pub(crate) async fn steps_run_in_order_and_give_their_outputs(fleet: &Fleet) {
    let shop = Shop::default();
    let done = runs(&process(fleet, &shop).await).await.unwrap();
    assert_eq!(
        done,
        Ordered {
            reserve: "reserve 1".to_owned(),
            charge: "charge 1".to_owned(),
            ship: "ship 1".to_owned(),
        }
    );
    assert_eq!(shop.asked(), ["reserve", "charge", "ship"]);
    let mut keys = shop.keys();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3, "each step has a key of its own: {keys:?}");
}

pub(crate) async fn a_saga_that_has_ended_is_not_run_again(fleet: &Fleet) {
    let shop = Shop::default();
    let (one, other) = (process(fleet, &shop).await, process(fleet, &shop).await);
    let done = runs(&one).await.unwrap();
    assert_eq!(runs(&one).await.unwrap(), done);
    assert_eq!(runs(&other).await.unwrap(), done);
    assert_eq!(shop.asked().len(), 3);
}

pub(crate) async fn a_saga_that_runs_is_joined(fleet: &Fleet) {
    let shop = Shop::default();
    let (one, other) = (process(fleet, &shop).await, process(fleet, &shop).await);
    let (door, first) = stands_in(&one, &shop, "charge").await;
    let here = start_saga(Some(&one), order()).unwrap();
    let there = start_saga(Some(&other), order()).unwrap();
    assert_eq!(there.status().await.unwrap(), Some(SagaState::Running));
    door.open();
    let done = first.wait().await.unwrap();
    assert_eq!(here.wait().await.unwrap(), done);
    assert_eq!(there.wait().await.unwrap(), done);
    assert_eq!(there.status().await.unwrap(), Some(SagaState::Completed));
    assert_eq!(shop.asked(), ["reserve", "charge", "ship"]);
}

pub(crate) async fn another_input_under_the_same_key_is_an_error(fleet: &Fleet) {
    let shop = Shop::default();
    let (one, other) = (process(fleet, &shop).await, process(fleet, &shop).await);
    let (door, first) = stands_in(&one, &shop, "charge").await;
    let dearer = || Order {
        total: 200,
        ..order()
    };
    let mut refused = vec![
        run_saga(Some(&one), dearer()).await,
        run_saga(Some(&other), dearer()).await,
    ];
    door.open();
    first.wait().await.unwrap();
    refused.push(run_saga(Some(&one), dearer()).await);
    for refused in refused {
        assert!(
            matches!(refused, Err(SagaError::OtherInput { .. })),
            "{refused:?}"
        );
    }
}

pub(crate) async fn a_failed_step_is_retried_and_keeps_its_key(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("charge", Does::Fails(2));
    let done = runs(&process(fleet, &shop).await).await.unwrap();
    assert_eq!(done.charge, "charge 3");
    assert_eq!(
        shop.asked(),
        ["reserve", "charge", "charge", "charge", "ship"]
    );
    let keys = shop.keys();
    assert!(keys[1] == keys[2] && keys[2] == keys[3], "{keys:?}");
}

pub(crate) async fn a_failure_undoes_what_was_done_in_reverse(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("ship", Does::Fails(1));
    let (one, other) = (process(fleet, &shop).await, process(fleet, &shop).await);
    for coord in [&one, &other] {
        let error = runs(coord).await.unwrap_err();
        let SagaError::Compensated { step, source } = &error else {
            panic!("{error:?}");
        };
        assert_eq!((&**step, source.message()), ("ship", "no ship today"));
        assert_eq!(
            shop.asked(),
            ["reserve", "charge", "ship", "refund", "release"]
        );
    }
    let SagaError::Compensated { source, .. } = ({
        shop.order("reserve", Does::Fails(9));
        let error = run_saga(
            Some(&one),
            Order {
                id: "8".to_owned(),
                total: 1,
            },
        );
        error.await.unwrap_err()
    }) else {
        panic!("it is undone");
    };
    let original = source.downcast_ref::<ShopError>();
    assert_eq!(original, Some(&ShopError("no reserve today".to_owned())));
}

pub(crate) async fn a_step_of_unknown_outcome_is_undone_if_its_compensation_can(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("reserve", Does::Fails(9));
    let error = runs(&process(fleet, &shop).await).await.unwrap_err();
    assert!(matches!(error, SagaError::Compensated { .. }), "{error:?}");
    assert_eq!(
        shop.asked(),
        ["reserve", "reserve", "reserve", "release unknown"]
    );
}

pub(crate) async fn a_step_that_panics_has_failed(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("charge", Does::Panics(1));
    shop.order("ship", Does::Panics(1));
    let error = runs(&process(fleet, &shop).await).await.unwrap_err();
    assert!(
        error.to_string().contains("it panicked: ship went wrong"),
        "{error}"
    );
    assert_eq!(
        shop.asked(),
        ["reserve", "charge", "charge", "ship", "refund", "release"]
    );
}

pub(crate) async fn a_step_that_takes_too_long_has_failed(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("ship", Does::Hangs);
    let error = runs(&process(fleet, &shop).await).await.unwrap_err();
    assert!(error.to_string().contains("timeout"), "{error}");
    assert_eq!(
        shop.asked(),
        ["reserve", "charge", "ship", "refund", "release"]
    );
}

pub(crate) async fn an_output_that_is_too_large_is_a_failure(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("reserve", Does::TooMuch);
    let error = runs(&process(fleet, &shop).await).await.unwrap_err();
    assert!(
        matches!(error, SagaError::Compensated { .. })
            && error.to_string().contains("over the limit"),
        "{error}"
    );
    assert_eq!(
        shop.asked(),
        ["reserve", "release unknown"],
        "it is not run again"
    );
}

/// Its compensation would need the output, so whoever looks after the saga has to.
pub(crate) async fn what_is_done_and_cannot_be_undone_for_want_of_its_output_is_stuck(
    fleet: &Fleet,
) {
    let shop = Shop::default();
    shop.order("charge", Does::TooMuch);
    let (one, other) = (process(fleet, &shop).await, process(fleet, &shop).await);
    for coord in [&one, &other] {
        let SagaError::Stuck { step, source } = runs(coord).await.unwrap_err() else {
            panic!("it is not stuck");
        };
        assert_eq!(
            (&*step, source.message()),
            ("charge", "the output is not stored")
        );
    }
    assert_eq!(shop.asked(), ["reserve", "charge"]);
    assert!(
        other
            .sagas()
            .skip("Order/7", "refunded by hand")
            .await
            .unwrap()
    );
    let error = runs(&one).await.unwrap_err();
    assert!(
        matches!(error, SagaError::Compensated { .. })
            && error.to_string().contains("over the limit"),
        "{error}"
    );
    assert_eq!(shop.asked(), ["reserve", "charge", "release"]);
}

pub(crate) async fn a_pivot_whose_output_is_too_large_is_passed(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("charge", Does::TooMuch);
    let coord = process(fleet, &shop).await;
    let ran = run_saga(Some(&coord), Pivoted("7".to_owned())).await;
    assert!(
        matches!(&ran, Err(SagaError::Stuck { step, .. }) if step == "charge"),
        "{ran:?}"
    );
    assert_eq!(shop.asked(), ["reserve", "charge"]);
}

pub(crate) async fn a_missing_dependency_is_named(fleet: &Fleet) {
    let error = runs(&fleet.process().await).await.unwrap_err();
    let SagaError::Coordination(Error::MissingDependency { saga, dependency }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(saga, "Order");
    assert!(dependency.ends_with("Shop"), "{dependency}");
    let refused = fleet.process().await.install();
    assert!(
        matches!(refused, Err(Error::MissingDependency { .. })),
        "{refused:?}"
    );
}

pub(crate) async fn a_compensation_that_fails_for_good_is_stuck(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("ship", Does::Fails(1));
    shop.order("refund", Does::Fails(9));
    let (one, other) = (process(fleet, &shop).await, process(fleet, &shop).await);
    for coord in [&one, &other] {
        let error = runs(coord).await.unwrap_err();
        assert!(
            matches!(&error, SagaError::Stuck { step, .. } if step == "charge"),
            "{error:?}"
        );
        assert_eq!(
            shop.asked(),
            ["reserve", "charge", "ship", "refund", "refund", "refund"]
        );
    }
}

pub(crate) async fn behind_the_pivot_a_failure_is_stuck(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("ship", Does::Fails(9));
    let coord = process(fleet, &shop).await;
    let pivoted = Pivoted("7".to_owned());
    let error = run_saga(Some(&coord), pivoted).await.unwrap_err();
    assert!(
        matches!(&error, SagaError::Stuck { step, .. } if step == "ship"),
        "{error:?}"
    );
    assert_eq!(shop.asked(), ["reserve", "charge", "ship", "ship", "ship"]);
}

pub(crate) async fn a_cancelled_saga_is_undone(fleet: &Fleet) {
    let shop = Shop::default();
    let (one, other) = (process(fleet, &shop).await, process(fleet, &shop).await);
    let (door, first) = stands_in(&one, &shop, "charge").await;
    let there = start_saga(Some(&other), order()).unwrap();
    assert!(there.cancel().await.unwrap());
    door.open();
    for handle in [&first, &there] {
        let error = handle.wait().await.unwrap_err();
        assert!(matches!(error, SagaError::Cancelled), "{error:?}");
    }
    assert_eq!(shop.asked(), ["reserve", "charge", "refund", "release"]);
    assert!(!first.cancel().await.unwrap(), "it has ended");
}

pub(crate) async fn a_dropped_run_goes_on(fleet: &Fleet) {
    let shop = Shop::default();
    let coord = process(fleet, &shop).await;
    let (door, handle) = stands_in(&coord, &shop, "charge").await;
    drop(handle);
    door.open();
    until("it to be done", async || {
        (shop.asked().len() == 3).then_some(())
    })
    .await;
    runs(&coord).await.unwrap();
    assert_eq!(shop.asked().len(), 3);
}

pub(crate) async fn a_saga_of_a_dead_process_is_recovered(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, dead) = faulty(fleet, &shop).await;
    let (_door, _handle) = stands_in(&dead, &shop, "charge").await;
    dies(&store);
    let coord = process(fleet, &shop).await;
    let recovered = coord.recover().await.unwrap();
    assert_eq!(recovered.resumed, 0, "its process may still live");
    until("its membership to end", async || {
        fleet.let_pass(Duration::from_millis(50)).await;
        (coord.recover().await.unwrap().resumed == 1).then_some(())
    })
    .await;
    let done = runs(&coord).await.unwrap();
    assert_eq!(done.charge, "charge 2");
    assert_eq!(shop.asked(), ["reserve", "charge", "charge", "ship"]);
    let keys = shop.keys();
    assert_eq!(keys[1], keys[2], "the same for each attempt");
    coord.recover().await.unwrap();
    let listed = coord::store::ListRequest::new(format!("{}/saga-owned/", fleet.namespace()));
    let listed = fleet.store().list_records(&listed).await.unwrap();
    assert_eq!(listed.entries.len(), 1, "the dead list nothing any more");
}

pub(crate) async fn a_saga_of_a_dead_process_is_taken_over_by_a_start(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, dead) = faulty(fleet, &shop).await;
    let (_door, _handle) = stands_in(&dead, &shop, "charge").await;
    dies(&store);
    let done = runs(&process(fleet, &shop).await).await.unwrap();
    assert_eq!(done.charge, "charge 2");
    assert_eq!(shop.asked(), ["reserve", "charge", "charge", "ship"]);
}

pub(crate) async fn a_store_that_is_away_for_a_minute_is_waited_for(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, coord) = faulty(fleet, &shop).await;
    let (door, handle) = stands_in(&coord, &shop, "charge").await;
    dies(&store);
    door.open();
    // On a real clock, until its membership has ended.
    fleet.let_pass(Duration::from_secs(3)).await;
    store.heal();
    handle.wait().await.unwrap();
    let asked = shop.asked();
    assert_eq!((&*asked[0], &*asked[asked.len() - 1]), ("reserve", "ship"));
    assert!((3..=4).contains(&asked.len()), "{asked:?}");
}

pub(crate) async fn shutting_down_leaves_the_saga_to_others(fleet: &Fleet) {
    let shop = Shop::default();
    let (one, other) = (process(fleet, &shop).await, process(fleet, &shop).await);
    let (_door, handle) = stands_in(&one, &shop, "charge").await;
    one.shutdown().await;
    let error = handle.wait().await.unwrap_err();
    assert!(
        matches!(error, SagaError::Coordination(Error::ShutDown)),
        "{error:?}"
    );
    assert_eq!(other.recover().await.unwrap().resumed, 1);
    assert_eq!(runs(&other).await.unwrap().charge, "charge 2");
    assert!(runs(&one).await.is_err(), "it takes no new work");
}

pub(crate) async fn nothing_is_left_behind_by_a_saga_that_ended_just_before_the_shutdown(
    fleet: &Fleet,
) {
    let (store, coord) = faulty(fleet, &Shop::default()).await;
    runs(&coord).await.unwrap();
    coord.shutdown().await;
    assert_eq!(store.count(Operation::Expire), 1);
    let deleted = store.operations();
    let deleted = deleted
        .iter()
        .filter(|seen| seen.operation == Operation::Delete);
    assert_eq!(deleted.count(), 1, "its place in the list");
}

pub(crate) async fn each_step_costs_one_round_trip_and_the_saga_three(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, coord) = faulty(fleet, &shop).await;
    until_cleaned_up(&store, runs(&coord)).await.unwrap();
    store.forget_operations();
    let another = Order {
        id: "8".to_owned(),
        total: 1,
    };
    let another = run_saga(Some(&coord), another);
    until_cleaned_up(&store, another).await.unwrap();
    let asked = store.operations();
    assert_eq!(asked.len(), 6, "{asked:?}");
}

pub(crate) async fn a_long_saga_is_recovered_in_few_round_trips(fleet: &Fleet) {
    let shop = Shop::default();
    let (store, dead) = faulty(fleet, &shop).await;
    let door = Door::default();
    shop.order("last", Does::Waits(door.clone()));
    let _handle = start_saga(Some(&dead), Long(1000)).unwrap();
    door.reached().await;
    // A quorum on a busy machine may leave it open whether it has taken one, which is then sent again.
    let appended = store.count(Operation::Append);
    assert!((1000..1010).contains(&appended), "{appended}");
    dies(&store);
    let (store, coord) = faulty(fleet, &shop).await;
    until("its membership to end", async || {
        fleet.let_pass(Duration::from_millis(50)).await;
        store.forget_operations();
        (coord.recover().await.unwrap().resumed == 1).then_some(())
    })
    .await;
    let outputs = run_saga(Some(&coord), Long(1000)).await.unwrap();
    assert_eq!(outputs.len(), 1000);
    let asked = store.operations().len();
    assert!(asked <= 40, "{asked} round trips");
}
