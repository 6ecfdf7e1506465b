//! What an uncontended lock on the store in memory costs. The floor is a sharded map of tokio mutexes: what
//! one would write by hand for a single process, without tokens, ttl, line or metrics.
//!
//! `cargo bench -p coord-tests --bench memory`

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use coord::Coordinator;
use coord_tests::bench::{Contestant, compare};
use metrics_exporter_prometheus::PrometheusBuilder;

const SHARDS: usize = 32;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        for tasks in [1, 64] {
            println!("\nuncontended cycle in memory, {tasks} tasks");
            compare(tasks, contestants()).await;
        }
        install_recorder();
        println!("\nthe same with the Prometheus recorder, 1 task");
        compare(1, contestants()).await;
    });
}

fn contestants() -> Vec<Contestant> {
    let coordinator = Coordinator::builder().build();
    let floor = Arc::new(ShardedMutexes::new());
    vec![
        Contestant::new("sharded map of mutexes (floor)", move |key| {
            let floor = Arc::clone(&floor);
            async move { floor.cycle(&key).await }
        }),
        Contestant::new("coord", move |key| {
            let coordinator = coordinator.clone();
            async move {
                let lease = coordinator.lock(key).acquire().await.expect("a lease");
                lease.release().await.expect("a release");
            }
        }),
    ]
}

/// From here on everything is counted.
fn install_recorder() {
    let exporter = coord::metrics::with_buckets(PrometheusBuilder::new());
    let recorder = exporter.expect("buckets").build_recorder();
    metrics::set_global_recorder(recorder).expect("the only recorder");
}

/// A mutex per key, made when it is wanted and dropped when nobody uses it.
struct ShardedMutexes {
    shards: Vec<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
    hasher: RandomState,
}

impl ShardedMutexes {
    fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    async fn cycle(&self, key: &str) {
        let index = usize::try_from(self.hasher.hash_one(key)).unwrap_or(0) % SHARDS;
        let mutex = {
            let mut shard = self.shards[index]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(shard.entry(key.to_owned()).or_default())
        };
        drop(mutex.lock().await);
        let mut shard = self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if Arc::strong_count(&mutex) == 2 {
            shard.remove(key);
        }
    }
}
