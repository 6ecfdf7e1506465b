//! Several workers, one order: watch them take turns.
//!
//! `cargo run --example quickstart` keeps its leases in a file in the folder for temporary files, so run it in two
//! terminals to see two processes take turns. Processes on several hosts need a server that they share:
//!
//! `COORD_URL=redis://127.0.0.1:6379 cargo run --example quickstart`

use std::error::Error;
use std::process;
use std::time::Duration;

use coord::{Coordinator, Lease, locked};

const WORKERS: u32 = 3;
const TURNS: u32 = 3;

/// One process in the fleet at a time, per order. A worker that dies is out of the way after the ttl.
#[locked("order:<id>", ttl = "10s", wait = "1m", lease = lease)]
async fn pack(id: u64, worker: u32) -> Result<(), coord::Error> {
    say(worker, &format!("has order {id}, token {}", token(lease)));
    // The work itself; nobody else is in here for this order, in any process.
    tokio::time::sleep(Duration::from_millis(300)).await;
    say(worker, &format!("is done with order {id}"));
    Ok(())
}

/// Someone else at work is reason enough to leave.
#[locked("report:daily", skip)]
async fn report(worker: u32) -> Result<Option<u32>, coord::Error> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(Some(worker))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("COORD_URL").unwrap_or_else(|_| in_a_file());
    let coordinator = Coordinator::connect(&url).await?;
    coordinator.install()?;
    let scheme = url.split(':').next().unwrap_or_default();
    println!("store: {scheme}, process: {}\n", process::id());

    println!("{WORKERS} workers pack the same order, one at a time:");
    let mut workers = Vec::new();
    for worker in 1..=WORKERS {
        workers.push(tokio::spawn(async move {
            for _ in 0..TURNS {
                pack(42, worker).await?;
            }
            Ok::<_, coord::Error>(())
        }));
    }
    for worker in workers {
        worker.await??;
    }

    println!("\n{WORKERS} workers want to write the daily report; one does:");
    let (one, two, three) = tokio::try_join!(report(1), report(2), report(3))?;
    for (worker, wrote) in (1..).zip([one, two, three]) {
        say(
            worker,
            if wrote.is_some() {
                "wrote it"
            } else {
                "had nothing to do"
            },
        );
    }

    coordinator.shutdown().await;
    Ok(())
}

fn in_a_file() -> String {
    let path = std::env::temp_dir().join("coord.db");
    format!("sqlite:{}", path.display())
}

fn token(lease: &Lease) -> u64 {
    lease.token().into()
}

fn say(worker: u32, what: &str) {
    println!("  [{}] worker {worker} {what}", process::id());
}
