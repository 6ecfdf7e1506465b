//! First runs and replays of idempotent calls in memory: those of coord, and those of the crate `idempotent` with its store
//! in memory. Both compare a fingerprint and store the result as JSON.
//!
//! `cargo run --release --bin idempotent` in this folder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coord::store::MemoryStore;
use coord::{Coordinator, Error};
use coord_tests::bench::{Contestant, compare};
use idempotent::{ExecutionOutcome, IdempotencyKey, IdempotencyStore as _, memory};

/// Short, so that what was stored goes away while others are measured.
const TTL: Duration = Duration::from_secs(4);
const RESULT: u64 = 4711;

/// A key that was never used.
fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("payment-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// One that is used again.
fn used(task: &str) -> String {
    // The peer takes no colons.
    format!("used-{}", task.replace(':', "-"))
}

#[tokio::main]
async fn main() {
    for tasks in [1, 64] {
        contest("first run", tasks, |_| fresh()).await;
        contest("replay", tasks, used).await;
    }
}

async fn contest(what: &str, tasks: usize, key: fn(&str) -> String) {
    println!("\n{what} in memory, {tasks} tasks");
    // Stores of their own: what first runs leave is swept out by later calls.
    let peer = memory::MemoryStore::builder().try_build();
    let peer = peer.expect("a store");
    let coord = Coordinator::builder().store(MemoryStore::new()).build();
    let contestants = vec![
        Contestant::new("idempotent", move |task| {
            call_of_peer(peer.clone(), key(&task))
        }),
        Contestant::new("coord", move |task| call(coord.clone(), key(&task))),
    ];
    compare(tasks, contestants).await;
}

async fn call(coord: Coordinator, key: String) {
    let call = coord
        .idempotency(key)
        .ttl(TTL)
        .lease(TTL)
        .fingerprint(RESULT);
    let result = call.run(async || Ok::<_, Error>(RESULT)).await;
    assert_eq!(result.expect("a result"), RESULT);
}

async fn call_of_peer(store: memory::MemoryStore, key: String) {
    let key = IdempotencyKey::new(key).expect("a key");
    let call = store
        .claim(&key, TTL)
        .fingerprint("payment", b"4711")
        .json();
    let outcome = call.execute_or_replay(TTL, |_| async { Ok(RESULT) }).await;
    match outcome.expect("an outcome") {
        ExecutionOutcome::Executed(result) | ExecutionOutcome::Replayed(result) => {
            assert_eq!(result, RESULT);
        }
        other => panic!("expected a result, got {other:?}"),
    }
}
