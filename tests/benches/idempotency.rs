//! What idempotent calls cost: a first run, which begins and completes, and a replay.
//!
//! On Redis, all tasks use one connection, and the floor is what such a call cannot do without: one script to
//! begin and one to complete, or one to replay. In memory the floor is the store's own two puts, or its one.
//!
//! `cargo bench -p coord-tests --bench idempotency`, with `-- redis` or `-- memory` for one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coord::store::{Condition, MemoryStore, Put, PutRequest, RedisStore, Store};
use coord::{Coordinator, Error};
use coord_tests::bench::{Contestant, compare};
use coord_tests::redis::RedisServer;
use redis::aio::MultiplexedConnection;

/// Short, so that what was stored goes away while others are measured.
const TTL: Duration = Duration::from_secs(10);
const RESULT: u64 = 4711;

/// A key that was never used.
fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("payment:{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// One that is used again, and whose result stays for a round.
fn used(task: &str) -> String {
    format!("used:{task}")
}

fn main() {
    let wanted: Vec<_> = std::env::args().collect();
    let all = !wanted
        .iter()
        .any(|name| name == "redis" || name == "memory");
    let runs = |name: &str| all || wanted.iter().any(|wanted| wanted == name);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        if runs("redis") {
            on_redis().await;
        }
        if runs("memory") {
            in_memory().await;
        }
    });
}

async fn on_redis() {
    let server = RedisServer::start().await;
    let store = RedisStore::connect(&server.url()).await.expect("a store");
    let coordinator = Coordinator::builder().store(store).build();
    let floor = Floor::connect(&server.url()).await;
    for tasks in [1, 64, 1_000] {
        println!("\nfirst run on Redis, {tasks} tasks, one connection");
        let (scripts, coord) = (floor.clone(), coordinator.clone());
        let contestants = vec![
            Contestant::new("two scripts (floor)", move |_| {
                scripts.clone().first_run(fresh())
            }),
            Contestant::new("coord", move |_| call(coord.clone(), fresh())),
        ];
        compare(tasks, contestants).await;

        println!("\nreplay on Redis, {tasks} tasks, one connection");
        let (scripts, coord) = (floor.clone(), coordinator.clone());
        let contestants = vec![
            Contestant::new("one script (floor)", move |task| {
                scripts.clone().replay(used(&task))
            }),
            Contestant::new("coord", move |task| call(coord.clone(), used(&task))),
        ];
        compare(tasks, contestants).await;
    }
}

async fn in_memory() {
    for tasks in [1, 64] {
        println!("\nfirst run in memory, {tasks} tasks");
        let (records, coord) = memory();
        let contestants = vec![
            Contestant::new("two puts (floor)", move |_| {
                two_puts(Arc::clone(&records), fresh())
            }),
            Contestant::new("coord", move |_| call(coord.clone(), fresh())),
        ];
        compare(tasks, contestants).await;

        println!("\nreplay in memory, {tasks} tasks");
        // A store of its own: each put also sweeps what has expired, and first runs leave much.
        let (records, coord) = memory();
        let contestants = vec![
            Contestant::new("one put (floor)", move |task| {
                one_put(Arc::clone(&records), format!("put:{task}"))
            }),
            Contestant::new("coord", move |task| call(coord.clone(), used(&task))),
        ];
        compare(tasks, contestants).await;
    }
}

/// A store, and a coordinator on another one, so that neither pays for what the other has stored.
fn memory() -> (Arc<MemoryStore>, Coordinator) {
    let coordinator = Coordinator::builder().store(MemoryStore::new()).build();
    (Arc::new(MemoryStore::new()), coordinator)
}

async fn call(coord: Coordinator, key: String) {
    let call = coord.idempotency(key).ttl(TTL).lease(TTL);
    let result = call.run(async || Ok::<_, Error>(RESULT)).await;
    assert_eq!(result.expect("a result"), RESULT);
}

async fn two_puts(store: Arc<MemoryStore>, key: String) {
    let begin = PutRequest::new(&*key, "running").when(Condition::Absent);
    let Ok(Put::Stored(version)) = store.put_record(&begin.ttl(TTL)).await else {
        panic!("the key is fresh");
    };
    let complete = PutRequest::new(key, "4711").when(Condition::Version(version));
    store
        .put_record(&complete.ttl(TTL))
        .await
        .expect("a result");
}

async fn one_put(store: Arc<MemoryStore>, key: String) {
    let begin = PutRequest::new(key, "4711").when(Condition::Absent);
    store.put_record(&begin.ttl(TTL)).await.expect("a conflict");
}

/// The scripts that an idempotent call cannot do without.
#[derive(Clone)]
struct Floor {
    connection: MultiplexedConnection,
    begin: String,
    complete: String,
}

impl Floor {
    const BEGIN: &str = "local found = redis.call('GET', KEYS[1]) \
        if found then return found end \
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return false";
    const COMPLETE: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1";

    async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).expect("a client");
        let connection = client.get_multiplexed_async_connection().await;
        let mut connection = connection.expect("a connection");
        let mut hashes = Vec::new();
        for script in [Self::BEGIN, Self::COMPLETE] {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(script);
            let hash: String = load.query_async(&mut connection).await.expect("a script");
            hashes.push(hash);
        }
        let [begin, complete] = hashes.try_into().expect("two scripts");
        Self {
            connection,
            begin,
            complete,
        }
    }

    async fn begin(&mut self, key: &str, owner: &str) -> Option<String> {
        let mut begin = redis::cmd("EVALSHA");
        begin
            .arg(&self.begin)
            .arg(1)
            .arg(key)
            .arg(owner)
            .arg(10_000);
        begin
            .query_async(&mut self.connection)
            .await
            .expect("a begin")
    }

    async fn first_run(mut self, key: String) {
        let owner = format!("{:032x}", rand::random::<u128>());
        assert_eq!(self.begin(&key, &owner).await, None);
        let mut complete = redis::cmd("EVALSHA");
        complete.arg(&self.complete).arg(1).arg(&key);
        complete.arg(&owner).arg("4711").arg(10_000);
        let done: i64 = complete
            .query_async(&mut self.connection)
            .await
            .expect("a completion");
        assert_eq!(done, 1);
    }

    async fn replay(mut self, key: String) {
        self.begin(&key, "4711").await;
    }
}
