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

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use coord::Coordinator;
use coord::store::RedisStore;
use coord_tests::bench::median;
use coord_tests::redis::RedisServer;

const PROCESSES: usize = 4;
const TASKS: usize = 8;
const LASTS: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_secs(30);
const WORKER: &str = "COORD_BENCH_WORKER";

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match std::env::var(WORKER) {
        Ok(job) => runtime.block_on(work(&job)),
        Err(_) => runtime.block_on(async {
            println!(
                "\ncontended hand-off on Redis, {PROCESSES} processes x {TASKS} tasks, one key"
            );
            for contestant in ["coord", "rslock"] {
                measure(contestant).await;
            }
        }),
    }
}

/// One acquisition: when the body started and when the release was called, on the clock of the machine.
#[derive(Clone, Copy)]
struct Turn {
    started: u64,
    released: u64,
}

async fn measure(contestant: &str) {
    let server = RedisServer::start().await;
    let mut workers: Vec<Child> = (0..PROCESSES)
        .map(|_| spawn(contestant, &server.url()))
        .collect();
    let mut outputs: Vec<_> = workers
        .iter_mut()
        .map(|worker| BufReader::new(worker.stdout.take().expect("its output")))
        .collect();
    for output in &mut outputs {
        let mut ready = String::new();
        output.read_line(&mut ready).expect("a ready worker");
    }
    server.reset_stats().await;
    for worker in &mut workers {
        worker
            .stdin
            .take()
            .expect("its input")
            .write_all(b"go\n")
            .expect("a start");
    }
    let round_trip = round_trip(&server.url()).await;
    let mut turns = Vec::new();
    let mut per_task = Vec::new();
    for output in outputs {
        for line in output.lines() {
            let task = parse(&line.expect("a line"));
            per_task.push(task.len());
            turns.extend(task);
        }
    }
    let commands = server.commandstats().await;
    for mut worker in workers {
        worker.wait().expect("a worker that ends");
    }
    report(contestant, turns, per_task, round_trip, &commands);
}

fn report(
    contestant: &str,
    mut turns: Vec<Turn>,
    mut per_task: Vec<usize>,
    round_trip: f64,
    commands: &std::collections::BTreeMap<String, u64>,
) {
    turns.sort_unstable_by_key(|turn| turn.started);
    let handoffs = turns
        .windows(2)
        .map(|pair| pair[1].started.saturating_sub(pair[0].released) as f64)
        .collect();
    let handoff = median(handoffs);
    per_task.sort_unstable();
    let (fewest, middle, most) = (
        per_task[0],
        per_task[per_task.len() / 2],
        per_task[per_task.len() - 1],
    );
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
        handoff / 1e3,
        handoff / round_trip,
        round_trip / 1e3,
        most as f64 / fewest.max(1) as f64,
        (scripts + plain) as f64 / turns.len() as f64,
        turns.len(),
    );
}

fn spawn(contestant: &str, url: &str) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .env(WORKER, format!("{contestant} {url}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a worker")
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
    let coordinator = Coordinator::builder()
        .store(RedisStore::connect(url).await.expect("a store"))
        .build();
    let rslock = rslock::LockManager::new(vec![url]);
    println!("ready");
    let mut go = String::new();
    std::io::stdin().read_line(&mut go).expect("a start");
    let until = Instant::now() + LASTS;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (coordinator, rslock) = (coordinator.clone(), rslock.clone());
            let contestant = contestant.to_owned();
            tokio::spawn(async move {
                let mut turns = Vec::new();
                while Instant::now() < until {
                    turns.push(match &*contestant {
                        "coord" => coord_turn(&coordinator).await,
                        _ => rslock_turn(&rslock).await,
                    });
                }
                turns
            })
        })
        .collect();
    for task in tasks {
        println!("{}", format(&task.await.expect("a task that ends")));
    }
}

async fn coord_turn(coordinator: &Coordinator) -> Turn {
    let lease = coordinator
        .lock("contended")
        .ttl(TTL)
        .acquire()
        .await
        .expect("a lease");
    let started = now();
    let released = now();
    lease.release().await.expect("a release");
    Turn { started, released }
}

async fn rslock_turn(rslock: &rslock::LockManager) -> Turn {
    let lock = rslock
        .acquire_no_guard(b"contended", TTL)
        .await
        .expect("a lock");
    let started = now();
    let released = now();
    rslock.unlock(&lock).await;
    Turn { started, released }
}

/// Nanoseconds on the clock that all processes of the machine share.
fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

fn format(turns: &[Turn]) -> String {
    turns
        .iter()
        .map(|turn| format!("{},{}", turn.started, turn.released))
        .collect::<Vec<_>>()
        .join(" ")
}

fn parse(line: &str) -> Vec<Turn> {
    let turn = |text: &str| {
        let (started, released) = text.split_once(',').expect("two times");
        Turn {
            started: started.parse().expect("a time"),
            released: released.parse().expect("a time"),
        }
    };
    line.split_whitespace().map(turn).collect()
}
