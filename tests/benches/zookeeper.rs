//! What locks, records, idempotent calls and sagas on PostgreSQL cost. The floor is what each of them cannot do
//! without: an upsert of one row that commits, prepared, on a connection of each task's own. A lock's cycle is
//! two commits, as is the first run of an idempotent call; a saga of three steps is six.
//!
//! The server is one of its own, and waits for the disk as servers do.
//!
//! `cargo bench -p coord-tests --bench postgres`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use coord::store::{PostgresStore, PutRequest, Store};
use coord::{Coordinator, saga};
use coord_tests::PostgresServer;
use coord_tests::bench::{Contestant, compare};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Statement};

const TTL: Duration = Duration::from_secs(30);
/// Short, so that what was stored goes away while others are measured.
const RETENTION: Duration = Duration::from_secs(2);

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

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let server = PostgresServer::builder().durable().start().await;
        let store = PostgresStore::connect(&server.url())
            .await
            .expect("a server");
        let builder = Coordinator::builder().store(store.clone());
        let coordinator = builder.saga_retention(RETENTION).build();
        for tasks in [1, 32] {
            println!("\nPostgreSQL, {tasks} tasks");
            let floor = Arc::new(Floor::connect(&server, tasks).await);
            compare(tasks, contestants(&floor, &store, &coordinator)).await;
        }
    });
}

fn contestants(
    floor: &Arc<Floor>,
    store: &PostgresStore,
    coordinator: &Coordinator,
) -> Vec<Contestant> {
    let commits = |name, times| {
        let floor = Arc::clone(floor);
        Contestant::new(name, move |key| {
            let floor = Arc::clone(&floor);
            async move {
                for _ in 0..times {
                    floor.commit(&key).await;
                }
            }
        })
    };
    let store = store.clone();
    let (locks, runs) = (coordinator.clone(), coordinator.clone());
    let (replays, sagas) = (coordinator.clone(), coordinator.clone());
    vec![
        commits("one upsert (floor)", 1),
        Contestant::new("record put", move |key| {
            let store = store.clone();
            async move {
                let put = PutRequest::new(key, "value").ttl(TTL);
                store.put_record(&put).await.expect("a put");
            }
        }),
        Contestant::new("idempotent replay", move |key| {
            let coordinator = replays.clone();
            async move { idempotent(&coordinator, key).await }
        }),
        commits("two upserts", 2),
        Contestant::new("lock cycle", move |key| {
            let coordinator = locks.clone();
            async move {
                let lease = coordinator.lock(key).ttl(TTL).acquire().await;
                lease.expect("a lease").release().await.expect("a release");
            }
        }),
        Contestant::new("idempotent first run", move |_| {
            let coordinator = runs.clone();
            async move { idempotent(&coordinator, format!("first:{}", fresh())).await }
        }),
        commits("six upserts", 6),
        Contestant::new("saga of three steps", move |_| {
            let coordinator = sagas.clone();
            async move {
                let saga = Trivial { number: fresh() };
                saga.run_with(&coordinator).await.expect("a saga that ends");
            }
        }),
    ]
}

async fn idempotent(coordinator: &Coordinator, key: String) {
    let call = coordinator.idempotency(key).ttl(TTL);
    let run = call.run(async || Ok::<_, coord::Error>(7)).await;
    assert_eq!(run.expect("a result"), 7);
}

/// As many connections as there are tasks.
struct Floor {
    connections: Vec<(Client, Statement)>,
    next: AtomicUsize,
}

impl Floor {
    async fn connect(server: &PostgresServer, count: usize) -> Self {
        let mut connections = Vec::new();
        for _ in 0..count {
            let client = server.client().await;
            let table = "CREATE TABLE IF NOT EXISTS floor (key text PRIMARY KEY, value bigint)";
            client.batch_execute(table).await.expect("a table");
            let upsert = "INSERT INTO floor VALUES ($1, 1)
                          ON CONFLICT (key) DO UPDATE SET value = floor.value + 1";
            let upsert = client.prepare(upsert).await.expect("a statement");
            connections.push((client, upsert));
        }
        Self {
            connections,
            next: AtomicUsize::new(0),
        }
    }

    async fn commit(&self, key: &str) {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let (client, upsert) = &self.connections[next % self.connections.len()];
        client.execute(upsert, &[&key]).await.expect("a commit");
    }
}
