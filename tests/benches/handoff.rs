//! What contention across processes costs: 4 processes with 8 tasks each want one lock, and hold it for no
//! longer than it takes to note the time.
//!
//! - hand-off: from one holder's call to release until the next one's body starts, in any process, as a
//!   multiple of a round trip (`PING`) that is measured meanwhile;
//! - fairness: the fewest, median and most acquisitions of a task;
//! - commands: what Redis was sent per acquisition, from `INFO commandstats`.
//!
//! `cargo bench -p coord-tests --bench handoff`

#![allow(
    clippy::cast_precision_loss,
    reason = "figures for people, of a few digits"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use coord::Coordinator;
use coord::store::RedisStore;
use coord_tests::bench::contention::{self, LASTS, PROCESSES, TASKS, Turn, Turns};
use coord_tests::bench::median;
use coord_tests::redis::RedisServer;

const TTL: Duration = Duration::from_secs(30);

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match contention::job() {
        Some(job) => runtime.block_on(work(&job)),
        None => runtime.block_on(async {
            println!(
                "\ncontended hand-off on Redis, {PROCESSES} processes x {TASKS} tasks, one key"
            );
            for contestant in ["coord", "rslock"] {
                measure(contestant).await;
            }
        }),
    }
}

async fn measure(contestant: &str) {
    let server = RedisServer::start().await;
    let url = server.url();
    let job = format!("{contestant} {url}");
    let (turns, round_trip) = contention::among_processes(&job, async || {
        server.reset_stats().await;
        round_trip(&url).await
    })
    .await;
    report(contestant, &turns, round_trip, &server.commandstats().await);
}

fn report(contestant: &str, turns: &Turns, round_trip: f64, commands: &BTreeMap<String, u64>) {
    let (fewest, middle, most) = turns.per_task();
    // What a script calls is counted as well; what clients send are the calls of scripts, and SET and DEL.
    let scripts: u64 = commands
        .iter()
        .filter(|(name, _)| name.starts_with("eval"))
        .map(|(_, calls)| calls)
        .sum();
    let plain = if scripts > 0 && contestant == "coord" {
        0
    } else {
        commands.get("set").copied().unwrap_or(0)
    };
    println!(
        "  {contestant:<8} hand-off {:>8.1} us = {:>6.2} round trips of {:.1} us; per task fewest {fewest}, \
         median {middle}, most {most} (most/fewest {:.2}); {:.2} commands per acquisition; {} acquisitions",
        turns.handoff() / 1e3,
        turns.handoff() / round_trip,
        round_trip / 1e3,
        most as f64 / fewest.max(1) as f64,
        (scripts + plain) as f64 / turns.count() as f64,
        turns.count(),
    );
}

/// The median round trip of `PING` in nanoseconds, over most of the time that the workers run.
async fn round_trip(url: &str) -> f64 {
    let client = redis::Client::open(url).expect("a client");
    let mut connection = client
        .get_multiplexed_async_connection()
        .await
        .expect("a connection");
    let until = Instant::now() + LASTS * 4 / 5;
    let mut times = Vec::new();
    while Instant::now() < until {
        let sent = Instant::now();
        let _: String = redis::cmd("PING")
            .query_async(&mut connection)
            .await
            .expect("a pong");
        times.push(sent.elapsed().as_nanos() as f64);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    median(times)
}

async fn work(job: &str) {
    let (contestant, url) = job.split_once(' ').expect("a contestant and a URL");
    if contestant == "rslock" {
        let rslock = rslock::LockManager::new(vec![url]);
        let turn = move || rslock_turn(rslock.clone());
        return contention::contend(turn).await;
    }
    let store = RedisStore::connect(url).await.expect("a store");
    let coordinator = Coordinator::builder().store(store).build();
    let turn = move || coord_turn(coordinator.clone());
    contention::contend(turn).await;
}

async fn coord_turn(coordinator: Coordinator) -> Turn {
    let lock = coordinator.lock("contended").ttl(TTL);
    let lease = lock.acquire().await.expect("a lease");
    let turn = Turn::now();
    lease.release().await.expect("a release");
    turn
}

async fn rslock_turn(rslock: rslock::LockManager) -> Turn {
    let lock = rslock.acquire_no_guard(b"contended", TTL).await;
    let lock = lock.expect("a lock");
    let turn = Turn::now();
    rslock.unlock(&lock).await;
    turn
}
