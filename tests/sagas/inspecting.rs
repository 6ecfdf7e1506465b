//! Looking at sagas, and setting right those that are stuck.

use std::time::Duration;

use coord::__private::{run_saga, start_saga};
use coord::saga::{HistoryEvent, HistoryKind, SagaFilter, SagaState};
use coord::testing::{Fault, Operation, Rule};
use coord::{Coordinator, Error, SagaError};
use coord_tests::fleet::Fleet;
use coord_tests::until;

use crate::running::faulty;
use crate::shop::{Does, Door, Order, Pivoted, Shop, order, process};

const ID: &str = "Order/7";

/// A process with a saga whose refund has failed for good.
async fn stuck(fleet: &Fleet) -> (Shop, Coordinator) {
    let shop = Shop::default();
    shop.order("ship", Does::Fails(1));
    shop.order("refund", Does::Fails(3));
    let coord = process(fleet, &shop).await;
    let error = run_saga(Some(&coord), order()).await.unwrap_err();
    assert!(matches!(error, SagaError::Stuck { .. }), "{error:?}");
    (shop, coord)
}

async fn state(coord: &Coordinator) -> SagaState {
    let history = coord.sagas().history(ID).await.unwrap();
    history.expect("it is stored").summary.state
}

pub(crate) async fn sagas_are_listed_by_state_and_name_in_pages(fleet: &Fleet) {
    let (_, coord) = stuck(fleet).await;
    for id in ["1", "2", "8"] {
        let id = id.to_owned();
        run_saga(Some(&coord), Order { id, total: 1 })
            .await
            .unwrap();
    }
    run_saga(Some(&coord), Pivoted("1".to_owned()))
        .await
        .unwrap();
    let ids = async |filter| {
        let page = coord.sagas().list(filter).await.unwrap();
        let ids: Vec<_> = page.sagas.into_iter().map(|saga| saga.id).collect();
        (ids, page.next)
    };
    let all = ["Order/1", "Order/2", "Order/7", "Order/8", "Pivoted/1"];
    assert_eq!(ids(SagaFilter::new()).await.0, all);
    let orders = SagaFilter::new().name("Order").limit(3);
    let (first, next) = ids(orders.clone()).await;
    assert_eq!(first, all[..3]);
    assert_eq!(ids(orders.after(next)).await.0, all[3..4]);
    let filter = SagaFilter::new().state(SagaState::Stuck);
    assert_eq!(ids(filter).await.0, [ID]);
    let old = |age| SagaFilter::new().older_than(age);
    assert!(ids(old(Duration::from_secs(3600))).await.0.is_empty());
    until("all to be a little old", async || {
        let old = old(Duration::from_millis(2));
        (ids(old).await.0 == all).then_some(())
    })
    .await;
}

pub(crate) async fn a_history_tells_each_event(fleet: &Fleet) {
    let (_, coord) = stuck(fleet).await;
    let history = coord.sagas().history(ID).await.unwrap().unwrap();
    let told: Vec<_> = history
        .events
        .iter()
        .map(|event| (event.kind, &*event.step))
        .collect();
    assert_eq!(
        told,
        [
            (HistoryKind::Started, "reserve"),
            (HistoryKind::Done, "reserve"),
            (HistoryKind::Started, "charge"),
            (HistoryKind::Done, "charge"),
            (HistoryKind::Started, "ship"),
            (HistoryKind::Failed, "ship"),
            (HistoryKind::Unwinding, "ship"),
            (HistoryKind::UndoFailed, "charge"),
            (HistoryKind::UndoFailed, "charge"),
            (HistoryKind::UndoFailed, "charge"),
        ]
    );
    assert_eq!(history.events[1].output.as_deref(), Some("\"reserve 1\""));
    assert_eq!(history.events[5].error.as_deref(), Some("no ship today"));
    assert!(history.events[7].retry_after.is_some() && history.events[9].retry_after.is_none());
    assert_eq!(history.input, r#"{"id":"7","total":100}"#);
    let failure = ("charge".to_owned(), "no refund today".to_owned());
    assert_eq!(history.summary.failure, Some(failure));
    assert!(coord.sagas().history("Order/9").await.unwrap().is_none());
}

pub(crate) async fn a_stuck_saga_is_resumed(fleet: &Fleet) {
    let (shop, coord) = stuck(fleet).await;
    assert!(coord.sagas().resume(ID).await.unwrap());
    let error = run_saga(Some(&coord), order()).await.unwrap_err();
    assert!(matches!(error, SagaError::Compensated { .. }), "{error:?}");
    let asked = shop.asked();
    assert_eq!(asked[5..], ["refund", "refund", "release"]);
    assert!(!coord.sagas().resume(ID).await.unwrap(), "it is not stuck");
}

pub(crate) async fn a_saga_that_is_unknown_here_is_resumed_elsewhere(fleet: &Fleet) {
    let (_, coord) = stuck(fleet).await;
    // This one cannot run it, since it has no shop.
    let operator = fleet.process().await;
    assert!(operator.sagas().resume(ID).await.unwrap());
    assert_eq!(coord.recover().await.unwrap().resumed, 1);
    let error = run_saga(Some(&coord), order()).await.unwrap_err();
    assert!(matches!(error, SagaError::Compensated { .. }), "{error:?}");
    assert_eq!(coord.recover().await.unwrap().resumed, 0);
}

pub(crate) async fn a_saga_that_is_being_resumed_stays_listed_for_those_who_look_meanwhile(
    fleet: &Fleet,
) {
    let (shop, first) = stuck(fleet).await;
    first.shutdown().await;
    let coord = process(fleet, &shop).await;
    let (store, operator) = fleet.faulty().await;
    let held = store.hold(Rule::on(Operation::Put).skipping(1));
    let meanwhile = async {
        held.reached().await;
        coord.recover().await.unwrap();
        held.release();
    };
    let sagas = operator.sagas();
    let (resumed, ()) = tokio::join!(sagas.resume(ID), meanwhile);
    assert!(resumed.unwrap());
    assert_eq!(coord.recover().await.unwrap().resumed, 1);
    let error = run_saga(Some(&coord), order()).await.unwrap_err();
    assert!(matches!(error, SagaError::Compensated { .. }), "{error:?}");
}

pub(crate) async fn a_compensation_is_skipped_with_a_reason(fleet: &Fleet) {
    let (shop, coord) = stuck(fleet).await;
    assert!(coord.sagas().skip(ID, "refunded by hand").await.unwrap());
    until("it to end", async || {
        (state(&coord).await == SagaState::Compensated).then_some(())
    })
    .await;
    assert_eq!(shop.asked()[5..], ["refund", "release"]);
    let history = coord.sagas().history(ID).await.unwrap().unwrap();
    let reasons = history
        .events
        .iter()
        .filter_map(|event| event.error.as_deref());
    assert!(
        reasons
            .into_iter()
            .any(|reason| reason == "refunded by hand")
    );
}

pub(crate) async fn two_who_skip_at_once_skip_once(fleet: &Fleet) {
    let (shop, coord) = stuck(fleet).await;
    let (store, slow) = faulty(fleet, &shop).await;
    let held = store.hold(Rule::on(Operation::Append));
    let skips = tokio::spawn(async move { slow.sagas().skip(ID, "refunded by hand").await });
    held.reached().await;
    assert!(coord.sagas().skip(ID, "refunded by mail").await.unwrap());
    held.release();
    assert!(!skips.await.unwrap().unwrap());
    until("it to end", async || {
        (state(&coord).await == SagaState::Compensated).then_some(())
    })
    .await;
    let history = coord.sagas().history(ID).await.unwrap().unwrap();
    let is_undone = |event: &&HistoryEvent| event.kind == HistoryKind::Undone;
    assert_eq!(history.events.iter().filter(is_undone).count(), 2);
}

/// The log is written before the head is, and the connection breaks in between.
pub(crate) async fn a_skip_that_was_cut_off_is_finished_by_the_next_one(fleet: &Fleet) {
    let (shop, coord) = stuck(fleet).await;
    let (store, operator) = fleet.faulty().await;
    store.fail_next(Operation::Put, Fault::BeforeSend);
    operator.sagas().abandon(ID, "lost").await.unwrap_err();
    store.fail_next(Operation::Put, Fault::BeforeSend);
    let skip = async || operator.sagas().skip(ID, "refunded by hand").await;
    assert!(matches!(skip().await, Err(Error::Store(_))));
    assert_eq!(state(&coord).await, SagaState::Stuck);
    assert!(skip().await.unwrap());
    coord.recover().await.unwrap();
    let error = run_saga(Some(&coord), order()).await.unwrap_err();
    assert!(matches!(error, SagaError::Compensated { .. }), "{error:?}");
    assert_eq!(shop.asked()[5..], ["refund", "release"]);
    let history = coord.sagas().history(ID).await.unwrap().unwrap();
    let is_undone = |event: &&HistoryEvent| event.kind == HistoryKind::Undone;
    assert_eq!(history.events.iter().filter(is_undone).count(), 2);
}

pub(crate) async fn a_step_is_not_skipped(fleet: &Fleet) {
    let shop = Shop::default();
    shop.order("ship", Does::Fails(3));
    let coord = process(fleet, &shop).await;
    let pivoted = || Pivoted("7".to_owned());
    run_saga(Some(&coord), pivoted()).await.unwrap_err();
    let refused = coord.sagas().skip("Pivoted/7", "sent by hand").await;
    assert!(
        matches!(refused, Err(Error::InvalidOption { .. })),
        "{refused:?}"
    );
    assert!(coord.sagas().resume("Pivoted/7").await.unwrap());
    run_saga(Some(&coord), pivoted()).await.unwrap();
}

pub(crate) async fn a_stuck_saga_is_abandoned(fleet: &Fleet) {
    let (shop, coord) = stuck(fleet).await;
    let asked = shop.asked();
    assert!(coord.sagas().abandon(ID, "a test order").await.unwrap());
    let error = run_saga(Some(&coord), order()).await.unwrap_err();
    assert!(
        matches!(&error, SagaError::Abandoned { reason } if reason == "a test order"),
        "{error:?}"
    );
    assert_eq!(shop.asked(), asked);
    assert!(!coord.sagas().abandon(ID, "again").await.unwrap());
}

pub(crate) async fn a_running_saga_is_abandoned(fleet: &Fleet) {
    let shop = Shop::default();
    let coord = process(fleet, &shop).await;
    let door = Door::default();
    shop.order("charge", Does::Waits(door.clone()));
    let handle = start_saga(Some(&coord), order()).unwrap();
    door.reached().await;
    assert!(coord.sagas().abandon(ID, "a test order").await.unwrap());
    door.open();
    let error = handle.wait().await.unwrap_err();
    assert!(matches!(error, SagaError::Abandoned { .. }), "{error:?}");
    assert_eq!(shop.asked(), ["reserve", "charge"]);
}
