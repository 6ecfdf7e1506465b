//! What locks, records, idempotent calls and sagas on ZooKeeper cost. The floor is a node that is created and deleted
//! again, on a connection of each task's own, which is as many transactions as a lock's cycle, or the first run of an
//! idempotent call; a saga of three steps is three times as many.
//!
//! The server is one of its own, and waits for the disk as servers do.
//!
//! `cargo bench -p coord-tests --bench zookeeper`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use coord::store::{PutRequest, Store, ZookeeperStore};
use coord::{Coordinator, saga};
use coord_tests::ZookeeperServer;
use coord_tests::bench::{Contestant, compare};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

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
        let server = ZookeeperServer::builder().durable().start().await;
        let store = ZookeeperStore::connect(&server.url())
            .await
            .expect("a server");
        let builder = Coordinator::builder().store(store.clone());
        let coordinator = builder.saga_retention(RETENTION).build();
        for tasks in [1, 32] {
            println!("\nZooKeeper, {tasks} tasks");
            let floor = Arc::new(Floor::connect(&server, tasks).await);
            compare(tasks, contestants(&floor, &store, &coordinator)).await;
        }
    });
}

fn contestants(
    floor: &Arc<Floor>,
    store: &ZookeeperStore,
    coordinator: &Coordinator,
) -> Vec<Contestant> {
    let cycles = |name, times| {
        let floor = Arc::clone(floor);
        Contestant::new(name, move |key| {
            let floor = Arc::clone(&floor);
            async move {
                for _ in 0..times {
                    floor.cycle(&key).await;
                }
            }
        })
    };
    let store = store.clone();
    let (locks, runs) = (coordinator.clone(), coordinator.clone());
    let (replays, sagas) = (coordinator.clone(), coordinator.clone());
    vec![
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
        cycles("one create and one delete (floor)", 1),
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
        cycles("three creates and deletes", 3),
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
    connections: Vec<Mutex<TcpStream>>,
    next: AtomicUsize,
}

impl Floor {
    async fn connect(server: &ZookeeperServer, count: usize) -> Self {
        let mut connections = Vec::new();
        for _ in 0..count {
            let mut stream = TcpStream::connect(server.addr()).await.expect("a server");
            stream.set_nodelay(true).expect("a connection");
            // Version, last transaction, timeout, session and its password.
            let mut hello = Vec::new();
            hello.extend(0_i32.to_be_bytes());
            hello.extend(0_i64.to_be_bytes());
            hello.extend(60_000_i32.to_be_bytes());
            hello.extend(0_i64.to_be_bytes());
            hello.extend(16_i32.to_be_bytes());
            hello.extend([0; 17]);
            ask(&mut stream, &hello).await;
            connections.push(Mutex::new(stream));
        }
        Self {
            connections,
            next: AtomicUsize::new(0),
        }
    }

    async fn cycle(&self, key: &str) {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let mut stream = self.connections[next % self.connections.len()].lock().await;
        let path = format!("/floor-{key}");
        let mut create = Vec::new();
        create.extend(1_i32.to_be_bytes());
        create.extend(1_i32.to_be_bytes());
        put(&mut create, path.as_bytes());
        put(&mut create, b"value");
        create.extend(1_i32.to_be_bytes());
        create.extend(0x1f_i32.to_be_bytes());
        put(&mut create, b"world");
        put(&mut create, b"anyone");
        create.extend(0_i32.to_be_bytes());
        ask(&mut stream, &create).await;
        let mut delete = Vec::new();
        delete.extend(2_i32.to_be_bytes());
        delete.extend(2_i32.to_be_bytes());
        put(&mut delete, path.as_bytes());
        delete.extend((-1_i32).to_be_bytes());
        ask(&mut stream, &delete).await;
    }
}

fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    let len = i32::try_from(bytes.len()).expect("a short text");
    to.extend(len.to_be_bytes());
    to.extend(bytes);
}

async fn ask(stream: &mut TcpStream, request: &[u8]) {
    let mut message = Vec::new();
    put(&mut message, request);
    stream.write_all(&message).await.expect("a request");
    let len = stream.read_u32().await.expect("an answer");
    let mut answer = vec![0; usize::try_from(len).expect("a short answer")];
    stream.read_exact(&mut answer).await.expect("an answer");
}
