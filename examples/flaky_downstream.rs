//! A downstream that fails, behind retries and a circuit breaker: single failures are not seen, an outage is not
//! made worse, and its end is noticed.
//!
//! `cargo run --example flaky_downstream` needs no server.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use coord::{circuit_breaker, retry};
use tokio::time::sleep;

const CLIENTS: u32 = 20;

/// What the downstream says, or we about it.
#[derive(Debug)]
enum RateError {
    /// The downstream is overloaded: worth another attempt.
    Busy,
    /// There is no such currency: no attempt will help, and the downstream is well.
    Unknown,
    /// We did not ask, or not to the end.
    Ours(coord::Error),
}

impl RateError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Busy)
    }
}

impl From<coord::Error> for RateError {
    fn from(error: coord::Error) -> Self {
        Self::Ours(error)
    }
}

/// A service of exchange rates that is busy at every second call, and at times down.
#[derive(Default)]
struct Rates {
    calls: AtomicU32,
    down: AtomicBool,
}

impl Rates {
    async fn of(&self, currency: &str) -> Result<f64, RateError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(2)).await;
        if self.down.load(Ordering::Relaxed) || call.is_multiple_of(2) {
            return Err(RateError::Busy);
        }
        match currency {
            "EUR" => Ok(1.08),
            _ => Err(RateError::Unknown),
        }
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Tries up to six times, within a second. Five failures in a row end that for everybody, for half a second.
#[retry(max_retries = 5, initial_delay = "5ms", max_delay = "50ms", jitter = "full", deadline = "1s", if = RateError::is_transient)]
#[circuit_breaker(failures = 5, reset = "500ms", is_failure = RateError::is_transient, name = "rates")]
async fn rate(rates: &Rates, currency: &str) -> Result<f64, RateError> {
    rates.of(currency).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let rates = Rates::default();

    println!("Every second call fails, and nobody notices:");
    for _ in 0..3 {
        let rate = rate(&rates, "EUR").await;
        println!("  1 EUR is {:?} USD, after {} calls", rate, rates.calls());
        assert!(rate.is_ok());
    }

    println!("\nAn answer that no retry can change is given at once:");
    let before = rates.calls();
    let unknown = rate(&rates, "XYZ").await;
    println!("  {unknown:?}, after {} calls more", rates.calls() - before);
    assert!(matches!(unknown, Err(RateError::Unknown)) && rates.calls() - before <= 2);

    println!("\nThe downstream is down, and {CLIENTS} clients ask one after the other:");
    rates.down.store(true, Ordering::Relaxed);
    let before = rates.calls();
    let mut refused = None;
    for _ in 0..CLIENTS {
        if let Err(RateError::Ours(coord::Error::CircuitOpen { retry_after, .. })) =
            rate(&rates, "EUR").await
        {
            refused = Some(retry_after);
        }
    }
    let calls = rates.calls() - before;
    println!("  {calls} calls got through in place of {}", CLIENTS * 6);
    assert!(
        calls <= 6,
        "the breaker lets no more through than it takes to open it"
    );

    let retry_after = refused.ok_or("nobody was refused")?;
    println!(
        "\nIt is up again. In {retry_after:?} the breaker lets a call through, and finds out:"
    );
    rates.down.store(false, Ordering::Relaxed);
    sleep(retry_after).await;
    let mut asked = 0;
    let rate = loop {
        asked += 1;
        match rate(&rates, "EUR").await {
            Ok(rate) => break rate,
            // The probe can meet one of the single failures, which opens the breaker once more.
            Err(RateError::Ours(coord::Error::CircuitOpen { retry_after, .. })) => {
                sleep(retry_after).await;
            }
            Err(error) => return Err(format!("{error:?}").into()),
        }
        assert!(asked < 10, "the breaker closes again");
    };
    println!("  1 EUR is {rate} USD");
    Ok(())
}
