//! A downstream that takes at most five calls at once, from all processes together.
//!
//! `cargo run --example downstream_limit`
//!
//! A call that is heavy takes several permits. A process that dies gives its permits back after the ttl.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use coord::store::MemoryStore;
use coord::{Coordinator, locked};
use tokio::task::JoinSet;

const PROCESSES: u32 = 4;
const CALLS: u32 = 25;

/// Counts what it has to do at once.
#[derive(Default)]
struct Downstream {
    load: AtomicU32,
    most: AtomicU32,
    served: AtomicU32,
}

impl Downstream {
    async fn serve(&self, weight: u32) {
        let load = self.load.fetch_add(weight, Ordering::SeqCst) + weight;
        self.most.fetch_max(load, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.load.fetch_sub(weight, Ordering::SeqCst);
        self.served.fetch_add(1, Ordering::SeqCst);
    }
}

#[locked("downstream", permits = 5, ttl = "10s", coord = coord)]
async fn light(coord: &Coordinator, downstream: &Downstream) -> Result<(), coord::Error> {
    downstream.serve(1).await;
    Ok(())
}

async fn heavy(coord: &Coordinator, downstream: &Downstream) -> Result<(), coord::Error> {
    let permits = coord.semaphore("downstream", 5).permits(3);
    permits
        .run(async |_| {
            downstream.serve(3).await;
            Ok(())
        })
        .await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(MemoryStore::new());
    let downstream = Arc::new(Downstream::default());
    let mut calls = JoinSet::new();
    for _ in 0..PROCESSES {
        let coord = Coordinator::builder().store(store.clone()).build();
        for call in 0..CALLS {
            let (coord, downstream) = (coord.clone(), Arc::clone(&downstream));
            calls.spawn(async move {
                if call % 5 == 0 {
                    heavy(&coord, &downstream).await
                } else {
                    light(&coord, &downstream).await
                }
            });
        }
    }
    while let Some(call) = calls.join_next().await {
        call??;
    }
    let most = downstream.most.load(Ordering::SeqCst);
    let served = downstream.served.load(Ordering::SeqCst);
    println!("{served} calls of {PROCESSES} processes, a load of at most {most}");
    assert_eq!(served, PROCESSES * CALLS);
    assert!(most <= 5, "more than it can take");
    Ok(())
}
