//! What is in memory is there at once, and yet others on the same thread have their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coord::{Coordinator, Error};

/// Does the same again and again, and says whether another task has run meanwhile on the only thread there is.
async fn others_run_during(work: impl AsyncFn()) -> bool {
    // What comes first may wait for something.
    work().await;
    let has_run = Arc::new(AtomicBool::new(false));
    let runs = Arc::clone(&has_run);
    let other = tokio::spawn(async move { runs.store(true, Ordering::Relaxed) });
    for _ in 0..1_000 {
        work().await;
    }
    let has_run = has_run.load(Ordering::Relaxed);
    other.await.unwrap();
    has_run
}

async fn replay(coord: &Coordinator) {
    let call = coord.idempotency("key");
    assert_eq!(call.run(async || Ok::<_, Error>(7)).await.unwrap(), 7);
}

#[tokio::test]
async fn replays_from_memory_leave_others_their_turn() {
    let coord = Coordinator::builder().build();
    assert!(others_run_during(async || replay(&coord).await).await);
}

#[tokio::test]
async fn replays_from_the_cache_leave_others_their_turn() {
    let coord = Coordinator::builder().idempotency_cache(10).build();
    assert!(others_run_during(async || replay(&coord).await).await);
}

#[tokio::test]
async fn locks_in_memory_leave_others_their_turn() {
    let coord = Coordinator::builder().build();
    let cycle = async || {
        let lease = coord.lock("key").acquire().await.unwrap();
        lease.release().await.unwrap();
    };
    assert!(others_run_during(cycle).await);
}
