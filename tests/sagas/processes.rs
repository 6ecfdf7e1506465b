//! Processes that die or stand still in the middle of a saga.

use std::time::Duration;

use coord::Coordinator;
use coord::saga::{HistoryKind, SagaHistory, SagaState};
use coord_tests::fleet::Fleet;
use coord_tests::{Worker, until};

use crate::order::{FleetOrder, STEPS, process};
use crate::services::ServiceHost;

/// A membership that ends while a test waits for it.
const TTL: Duration = Duration::from_millis(600);
const ORDER: u64 = 7;
const ID: &str = "FleetOrder/order:7";

pub(crate) async fn worker(
    fleet: &Fleet,
    services: &ServiceHost,
    ttl: Duration,
    failing: u32,
) -> Worker {
    let (ttl, failing) = (ttl.as_millis().to_string(), failing.to_string());
    let path = env!("CARGO_BIN_EXE_saga_worker");
    let arguments = [
        fleet.url(),
        fleet.namespace(),
        services.path(),
        &ttl,
        &failing,
    ];
    let mut worker = Worker::spawn(path, arguments);
    worker.expect_line("ready").await;
    worker
}

/// A process whose third step of an order stands.
async fn stands(fleet: &Fleet, services: &ServiceHost) -> Worker {
    let mut worker = worker(fleet, services, TTL, 0).await;
    worker.send_line(&format!("stand {ORDER}"));
    worker.expect_line("began 7").await;
    worker.expect_line("stands").await;
    worker
}

async fn history(coord: &Coordinator) -> SagaHistory {
    let history = coord.sagas().history(ID).await;
    history.expect("the store answers").expect("it is stored")
}

/// The saga as it is stored: its head and all of its log.
async fn stored(fleet: &Fleet) -> Vec<String> {
    let coord = fleet.process().await;
    let history = history(&coord).await;
    let mut stored: Vec<_> = history
        .events
        .iter()
        .map(|event| format!("{event:?}"))
        .collect();
    stored.push(format!("{:?}", history.summary));
    stored
}

/// What was begun before the hourglass has run out by the store's clock after one ttl: a single look finds it.
pub(crate) async fn a_saga_orphaned_by_a_kill_is_resumed_within_one_ttl(fleet: Fleet) {
    let services = ServiceHost::start();
    let dies = stands(&fleet, &services).await;
    let coord = fleet.builder().await.provide(services.services()).build();
    dies.kill();
    assert!(!dies.until_exit().await);
    fleet.let_pass(TTL).await;
    assert_eq!(coord.recover().await.unwrap().resumed, 1);
    let order = FleetOrder {
        order: ORDER,
        stands: true,
    };
    order.run_with(&coord).await.unwrap();
    assert_eq!(services.done_for(ORDER), STEPS);
    assert_eq!(history(&coord).await.summary.takeovers, 1);
}

/// It is taken over while it stands still, in the middle of a step; what it does when it goes on is stored nowhere.
pub(crate) async fn a_process_that_was_paused_appends_nothing_after_the_takeover(fleet: Fleet) {
    let services = ServiceHost::start();
    let mut paused = stands(&fleet, &services).await;
    paused.pause();
    let coord = process(fleet.builder().await, services.services());
    until("the saga to end elsewhere", async || {
        let state = history(&coord).await.summary.state;
        (state == SagaState::Completed).then_some(())
    })
    .await;
    let before = stored(&fleet).await;
    paused.send_line("go on");
    paused.resume();
    // It has looked at the saga again and found how it has ended, so what it was doing is over. Its step may have
    // gone on up to its next await.
    let mut told = paused.next_line().await;
    if told.as_deref() == Some("goes on") {
        told = paused.next_line().await;
    }
    assert_eq!(told.as_deref(), Some("ended well"));
    assert_eq!(stored(&fleet).await, before);
    assert_eq!(services.done_for(ORDER), STEPS, "each once");
    let events = history(&coord).await.events;
    let taken_over = events
        .iter()
        .position(|event| event.kind == HistoryKind::Takeover);
    let taken_over = taken_over.expect("it was taken over");
    assert!(
        events[..taken_over]
            .iter()
            .all(|event| event.step != "book")
    );
}

/// Every process that is asked for it waits for the one that has it, and gets its end, whoever brings it about.
pub(crate) async fn those_who_wait_elsewhere_get_the_end_when_its_process_dies(fleet: Fleet) {
    let services = ServiceHost::start();
    let dies = stands(&fleet, &services).await;
    let coord = process(fleet.builder().await, services.services());
    let waits: Vec<_> = (0..4)
        .map(|_| {
            let coord = coord.clone();
            let order = FleetOrder {
                order: ORDER,
                stands: true,
            };
            tokio::spawn(async move { order.run_with(&coord).await.map(|done| done.ship) })
        })
        .collect();
    let mut other = worker(&fleet, &services, TTL, 0).await;
    other.send_line(&format!("stand {ORDER}"));
    dies.kill();
    for waits in waits {
        assert_eq!(waits.await.unwrap().unwrap(), ORDER);
    }
    let mut told = other.next_line().await;
    while told.as_deref() != Some("ended well") {
        assert!(told.is_some(), "it has died");
        told = other.next_line().await;
    }
    assert_eq!(services.done_for(ORDER), STEPS, "each once");
}
