//! What an uncontended lock costs: acquire and release, each task with a key of its own, all over one
//! connection. The floor is what a lock cannot do without: `SET NX PX` and a compare-and-delete script.
//!
//! `cargo bench -p coord-tests --bench uncontended`

use std::time::Duration;

use coord::Coordinator;
use coord::store::RedisStore;
use coord_tests::bench::{Contestant, compare};
use coord_tests::redis::RedisServer;
use redis::aio::MultiplexedConnection;

const TTL: Duration = Duration::from_secs(30);

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let server = RedisServer::start().await;
        let url = server.url();
        let coordinator = Coordinator::builder()
            .store(RedisStore::connect(&url).await.expect("a store"))
            .build();
        let floor = Floor::connect(&url).await;
        let rslock = rslock::LockManager::new(vec![url.as_str()]);
        for tasks in [1, 64, 1_000] {
            println!("\nuncontended cycle on Redis, {tasks} tasks, one connection");
            let (floor, coordinator, rslock) = (floor.clone(), coordinator.clone(), rslock.clone());
            let contestants = vec![
                Contestant::new("SET NX PX + script (floor)", move |key| {
                    let floor = floor.clone();
                    async move { floor.cycle(&key).await }
                }),
                Contestant::new("coord", move |key| {
                    let coordinator = coordinator.clone();
                    async move { coord_cycle(&coordinator, key).await }
                }),
                Contestant::new("rslock", move |key| {
                    let rslock = rslock.clone();
                    async move {
                        let lock = rslock.lock(key.as_bytes(), TTL).await.expect("a lock");
                        rslock.unlock(&lock).await;
                    }
                }),
            ];
            compare(tasks, contestants).await;
        }
    });
}

async fn coord_cycle(coordinator: &Coordinator, key: String) {
    let lease = coordinator
        .lock(key)
        .ttl(TTL)
        .acquire()
        .await
        .expect("a lease");
    lease.release().await.expect("a release");
}

#[derive(Clone)]
struct Floor {
    connection: MultiplexedConnection,
    hash: String,
}

impl Floor {
    async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).expect("a client");
        let mut connection = client
            .get_multiplexed_async_connection()
            .await
            .expect("a connection");
        let release = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
        let hash = redis::cmd("SCRIPT")
            .arg("LOAD")
            .arg(release)
            .query_async(&mut connection)
            .await
            .expect("a script");
        Self { connection, hash }
    }

    async fn cycle(mut self, key: &str) {
        let owner = format!("{:032x}", rand::random::<u128>());
        let mut set = redis::cmd("SET");
        set.arg(key).arg(&owner).arg("NX").arg("PX").arg(30_000);
        let () = set.query_async(&mut self.connection).await.expect("a lock");
        let mut release = redis::cmd("EVALSHA");
        release.arg(&self.hash).arg(1).arg(key).arg(&owner);
        let released: i64 = release
            .query_async(&mut self.connection)
            .await
            .expect("a release");
        assert_eq!(released, 1);
    }
}
