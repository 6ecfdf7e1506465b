//! A job that every process starts by its own clock, and one of them does.
//!
//! `cargo run --example scheduled_job`
//!
//! `skip` leaves a job to whoever has it. `at_least` keeps it taken for a while after it is done, so that a host whose
//! clock is late does not do it again. The clock is paused, so that three nights pass at once.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use coord::{Coordinator, locked};
use tokio::time::{Instant, sleep, sleep_until};

const NIGHTS: u32 = 3;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// By how much the clocks of the hosts are late.
const LATE: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(20),
];

static REPORTS: AtomicU32 = AtomicU32::new(0);

/// A host that comes while another is at it, or within a minute of its start, has nothing to do: it gets `None`.
#[locked("report:daily", skip, ttl = "30m", at_least = "1m")]
async fn report() -> Result<Option<u32>, coord::Error> {
    sleep(Duration::from_secs(5)).await;
    Ok(Some(REPORTS.fetch_add(1, Ordering::SeqCst) + 1))
}

/// What runs in every process: a loop, and no list of who else there is.
async fn host(number: usize, late: Duration, midnight: Instant) -> Result<u32, coord::Error> {
    let mut wrote = 0;
    for night in 1..=NIGHTS {
        sleep_until(midnight + DAY * night + late).await;
        if let Some(report) = report().await? {
            println!("night {night}: host {number} wrote report {report}");
            wrote += 1;
        }
    }
    Ok(wrote)
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let coord = Coordinator::connect("memory:").await?;
    coord.install()?;
    let midnight = Instant::now();
    let [one, two, three] = LATE;
    let wrote = tokio::try_join!(
        host(1, one, midnight),
        host(2, two, midnight),
        host(3, three, midnight)
    )?;
    assert_eq!(wrote.0 + wrote.1 + wrote.2, NIGHTS, "one report a night");

    // A host that dies at it leaves the lock to its ttl, and the next night is done by another.
    let dying = tokio::spawn(report());
    tokio::task::yield_now().await;
    dying.abort();
    sleep(DAY).await;
    assert!(report().await?.is_some());
    println!("after a host that gave up in the middle: done by another");
    coord.shutdown().await;
    Ok(())
}
