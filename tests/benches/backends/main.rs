//! All backends side by side: what a lock, an idempotent call, a saga of three steps and a hand-off between processes
//! cost on each, beside a floor of its own that is taken in the same run.
//!
//! The floor is the two smallest writes that the server can do, which a lock's cycle cannot do without, and neither can the
//! first run of an idempotent call: see [`floors`]. A saga of three steps needs six, so it is compared with three floors.
//! Servers and files are durable as they are by default.
//!
//! `cargo bench -p coord-tests --bench backends`, with `-- sqlite postgres` for some of them.

mod floors;
mod table;
#[path = "../trivial/mod.rs"]
mod trivial;
mod work;

use std::time::Duration;

use coord::Coordinator;
use coord_tests::bench::contention::{self, Turn};
use coord_tests::bench::{Contestant, measure};
use coord_tests::{
    EtcdServer, PostgresServer, RedisServer, ZookeeperServer, new_sqlite, sqlite_url, store_at,
};

use self::floors::{Floor, etcd, postgres, redis, sqlite, zookeeper};
use self::table::Row;

/// A ttl that does not end while something is measured.
const TTL: Duration = Duration::from_secs(30);
/// Short, so that what was stored goes away while others are measured.
const RETENTION: Duration = Duration::from_secs(2);
const AT_ONCE: [usize; 2] = [1, 32];

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        match contention::job() {
            Some(url) => contend(&url).await,
            None => compare().await,
        }
    });
}

async fn compare() {
    let wanted: Vec<_> = std::env::args().skip(1).collect();
    let names = ["redis", "sqlite", "postgres", "etcd", "zookeeper"];
    let all = !wanted.iter().any(|name| names.contains(&&**name));
    let runs = |name: &str| all || wanted.iter().any(|wanted| wanted == name);
    let most = AT_ONCE[AT_ONCE.len() - 1];
    println!("\n{}", table::HEAD);
    if runs("redis") {
        let server = RedisServer::start().await;
        let floor = redis::floor(&server.url()).await;
        backend("Redis", &server.url(), &floor).await;
    }
    if runs("sqlite") {
        let floor = sqlite::floor(&new_sqlite());
        backend("SQLite", &sqlite_url(&new_sqlite()), &floor).await;
    }
    if runs("postgres") {
        let server = PostgresServer::builder().durable().start().await;
        let floor = postgres::floor(&server, most).await;
        backend("PostgreSQL", &server.url(), &floor).await;
    }
    if runs("etcd") {
        let server = EtcdServer::start().await;
        let floor = etcd::floor(server.addr()).await;
        backend("etcd", &server.url(), &floor).await;
    }
    if runs("zookeeper") {
        let server = ZookeeperServer::builder().durable().start().await;
        let floor = zookeeper::floor(server.addr(), most).await;
        backend("ZooKeeper", &server.url(), &floor).await;
    }
}

async fn backend(name: &str, url: &str, floor: &Floor) {
    let coordinator = Coordinator::builder().store(store_at(url).await);
    let coordinator = coordinator.saga_retention(RETENTION).build();
    for tasks in AT_ONCE {
        let floor = floor.clone();
        let [locks, firsts, replays, sagas] = [(); 4].map(|()| coordinator.clone());
        let contestants = [
            Contestant::new("floor", move |key| floor(key)),
            Contestant::new("lock", move |key| work::lock_cycle(locks.clone(), key)),
            Contestant::new("first run", move |_| work::first_run(firsts.clone())),
            Contestant::new("replay", move |key| work::replay(replays.clone(), key)),
            Contestant::new("saga", move |_| work::saga(sagas.clone())),
        ];
        let measured = measure(tasks, &contestants).await;
        let [floor, lock, first, replay, saga] = measured[..] else {
            unreachable!("as many as there are contestants");
        };
        println!(
            "{}",
            Row {
                name,
                tasks,
                floor,
                lock,
                first,
                replay,
                saga
            }
        );
    }
    let (turns, ()) = contention::among_processes(url, async || ()).await;
    println!("{}", table::contended(name, &turns));
}

async fn contend(url: &str) {
    let coordinator = Coordinator::connect(url).await.expect("a store");
    contention::contend(move || turn(coordinator.clone())).await;
}

async fn turn(coordinator: Coordinator) -> Turn {
    let lease = coordinator.lock("contended").ttl(TTL).acquire().await;
    let lease = lease.expect("a lease");
    let turn = Turn::now();
    lease.release().await.expect("a release");
    turn
}
