//! What is measured.

use std::sync::atomic::{AtomicU64, Ordering};

use coord::{Coordinator, saga};
use serde::{Deserialize, Serialize};

use super::TTL;

#[saga("trivial:<number>")]
#[derive(Serialize, Deserialize)]
struct Trivial {
    number: u64,
}

#[saga]
impl Trivial {
    #[step]
    async fn first(&self) -> Result<u64, String> {
        std::future::ready(Ok(self.number)).await
    }

    #[step]
    async fn second(&self, first: &u64) -> Result<u64, String> {
        std::future::ready(Ok(first + 1)).await
    }

    #[step]
    async fn third(&self, second: &u64) -> Result<u64, String> {
        std::future::ready(Ok(second + 1)).await
    }
}

/// A number that was never used.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

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
