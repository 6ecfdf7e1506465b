//! What is measured.

use coord::Coordinator;

use super::TTL;
use super::trivial::{Trivial, fresh};

pub(super) async fn lock_cycle(coordinator: Coordinator, key: String) {
    let lease = coordinator.lock(key).ttl(TTL).acquire().await;
    lease.expect("a lease").release().await.expect("a release");
}

pub(super) async fn first_run(coordinator: Coordinator) {
    idempotent(coordinator, format!("first:{}", fresh())).await;
}

/// The first time, it runs.
pub(super) async fn replay(coordinator: Coordinator, key: String) {
    idempotent(coordinator, key).await;
}

pub(super) async fn saga(coordinator: Coordinator) {
    let saga = Trivial { number: fresh() };
    let ended = saga.run_with(&coordinator).await;
    ended.expect("a saga that ends");
}

async fn idempotent(coordinator: Coordinator, key: String) {
    let call = coordinator.idempotency(key).ttl(TTL);
    let run = call.run(async || Ok::<_, coord::Error>(7)).await;
    assert_eq!(run.expect("a result"), 7);
}
