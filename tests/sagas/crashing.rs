//! Crashes at every operation of the store, each before it is sent and after it is done.

use std::time::Duration;

use coord::__private::run_saga;
use coord::saga::ClosureSaga;
use coord::store::LeaseId;
use coord::testing::{Fault, FaultStore, Operation, Rule};
use coord::{Coordinator, SagaError};
use coord_tests::PATIENCE;
use coord_tests::fleet::{Fleet, LONG};

use futures_util::future::join_all;

use crate::shop::{Does, Order, Shop, process};

/// More than any of these sagas needs.
const MOST_OPERATIONS: usize = 60;
/// After how many operations that did not get through a process is ended.
const ATTEMPTS_AFTERWARDS: usize = 2;
/// At how many operations processes are cut off side by side.
const AT_ONCE: usize = 6;

fn order(id: String) -> Order {
    Order { id, total: 1 }
}

/// A process that is cut off from the store at this operation, for good, with the first one as the fault says.
async fn cut_off_at(
    fleet: &Fleet,
    shop: &Shop,
    at: usize,
    fault: Fault,
) -> (FaultStore, Coordinator) {
    let store = FaultStore::new(fleet.own_store().await);
    store.inject(Rule::on_everything().skipping(at).times(1), fault);
    store.inject(Rule::on_everything().skipping(at), Fault::BeforeSend);
    let coord = Coordinator::builder()
        .store(store.clone())
        .namespace(fleet.namespace())
        .provide(shop.clone())
        .lock_ttl(LONG)
        .build();
    (store, coord)
}

/// Runs a saga with an id of its own in a process that is cut off at each of its operations, and again in another
/// one. `check` sees what the shop was asked for then.
pub(crate) async fn at_every_operation<T>(
    fleet: &Fleet,
    prepare: impl Fn(&Shop),
    run: impl AsyncFn(&Coordinator, &Shop, String) -> Result<T, SagaError>,
    check: impl Fn(Result<T, SagaError>, &[String]),
) {
    for fault in [Fault::BeforeSend, Fault::AfterApply] {
        let mut at = 0;
        loop {
            assert!(at < MOST_OPERATIONS, "it never ends");
            // Most of the time they wait for the store.
            let several = (at..at + AT_ONCE).map(async |at| {
                let shop = Shop::default();
                prepare(&shop);
                let (was_cut_off, second) = at_operation(fleet, &shop, at, fault, &run).await;
                check(second, &shop.asked());
                was_cut_off
            });
            if join_all(several).await.contains(&false) {
                break;
            }
            at += AT_ONCE;
        }
    }
}

/// Runs it in a process that is cut off at this operation, and again in another one: whether there was such an operation,
/// and how it ended.
async fn at_operation<T>(
    fleet: &Fleet,
    shop: &Shop,
    at: usize,
    fault: Fault,
    run: &impl AsyncFn(&Coordinator, &Shop, String) -> Result<T, SagaError>,
) -> (bool, Result<T, SagaError>) {
    let id = format!("{at} {fault:?}");
    let (store, dies) = cut_off_at(fleet, shop, at, fault).await;
    let goes_on_without_a_store = async {
        while store.operations().len() <= at + ATTEMPTS_AFTERWARDS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let runs = async {
        tokio::select! {
            _ = run(&dies, shop, id.clone()) => {}
            () = goes_on_without_a_store => {}
        }
    };
    let ended = tokio::time::timeout(PATIENCE, runs).await;
    ended.expect("it ends, or is cut off");
    drop(dies);
    let was_cut_off = store.operations().len() > at;
    let_all_lapse(fleet, &store).await;
    let second = run(&process(fleet, shop).await, shop, id).await;
    (was_cut_off, second)
}

/// Ends whatever was held through `dead`, as its ttl does once nobody renews it.
pub(crate) async fn let_all_lapse(fleet: &Fleet, dead: &FaultStore) {
    let asked = dead.operations().into_iter();
    let acquired = asked.filter(|seen| seen.operation == Operation::Acquire);
    for resource in acquired.flat_map(|seen| seen.keys) {
        let store = fleet.store();
        for contender in store.inspect_lease(&resource).await.unwrap() {
            let lease = LeaseId {
                resource: resource.as_str().into(),
                owner: contender.owner,
            };
            store.release_lease(&lease).await.unwrap();
        }
    }
}

/// Each of `effects` in this order; each perhaps once more, if the crash was before it was stored.
fn assert_order(asked: &[String], effects: &[&str]) {
    let mut once: Vec<_> = asked.to_vec();
    once.dedup();
    let repeated = asked.len() - once.len();
    assert_eq!(once, effects, "{asked:?}");
    assert!(repeated <= 1, "{asked:?}");
}

pub(crate) async fn a_saga_survives_a_crash_at_every_operation(fleet: &Fleet) {
    let run = async |coord: &Coordinator, _: &Shop, id| run_saga(Some(coord), order(id)).await;
    at_every_operation(
        fleet,
        |_| {},
        run,
        |done, asked| {
            done.unwrap();
            assert_order(asked, &["reserve", "charge", "ship"]);
        },
    )
    .await;
}

pub(crate) async fn a_saga_that_fails_survives_a_crash_at_every_operation(fleet: &Fleet) {
    let run = async |coord: &Coordinator, _: &Shop, id| run_saga(Some(coord), order(id)).await;
    let fails = |shop: &Shop| {
        shop.order("ship", Does::Fails(9));
    };
    at_every_operation(fleet, fails, run, |done, asked| {
        let error = done.unwrap_err();
        assert!(matches!(error, SagaError::Compensated { .. }), "{error:?}");
        assert_order(asked, &["reserve", "charge", "ship", "refund", "release"]);
    })
    .await;
}

pub(crate) async fn a_saga_of_closures_survives_a_crash_at_every_operation(fleet: &Fleet) {
    let run = async |coord: &Coordinator, shop: &Shop, id: String| {
        let body = async |saga: &ClosureSaga| {
            for what in ["reserve", "charge", "ship"] {
                saga.step(what, async || shop.does(what, 1).await).await?;
            }
            Ok(())
        };
        coord.saga(id).run(body).await
    };
    at_every_operation(
        fleet,
        |_| {},
        run,
        |done, asked| {
            done.unwrap();
            assert_order(asked, &["reserve", "charge", "ship"]);
        },
    )
    .await;
}

pub(crate) async fn a_saga_survives_the_loss_of_every_answer(fleet: &Fleet) {
    for fault in [Fault::BeforeSend, Fault::AfterApply, Fault::AfterSend] {
        for at in 0..12 {
            let shop = Shop::default();
            shop.order("ship", Does::Fails(1));
            let store = FaultStore::new(fleet.own_store().await);
            store.inject(Rule::on_everything().skipping(at).times(1), fault);
            let coord = Coordinator::builder()
                .store(store)
                .namespace(fleet.namespace())
                .provide(shop.clone())
                .build();
            let order = order(format!("{at} {fault:?}"));
            let error = run_saga(Some(&coord), order).await.unwrap_err();
            assert!(
                matches!(error, SagaError::Compensated { .. }),
                "{at} {fault:?}: {error:?}"
            );
            let asked = ["reserve", "charge", "ship", "refund", "release"];
            assert_eq!(shop.asked(), asked, "{at} {fault:?}");
        }
    }
}
