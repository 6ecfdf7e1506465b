//! Retries: as many as there are presets for, as one builds them, around a lock.
//!
//! `cargo run --example retries`
//!
//! The clock is paused, so that the delays pass at once. `flaky_downstream` shows retries as attributes, with a breaker.

use std::cell::Cell;
use std::error::Error;
use std::time::Duration;

use coord::{CircuitBreaker, Coordinator, Jitter, RetryPolicy};
use tokio::time::Instant;

#[derive(Debug, PartialEq)]
enum Failure {
    Busy,
    NoSuchThing,
    Coordination(String),
}

impl From<coord::Error> for Failure {
    fn from(error: coord::Error) -> Self {
        Self::Coordination(error.to_string())
    }
}

/// Something that is busy for the first `failures` calls.
async fn call(calls: &Cell<u32>, failures: u32) -> Result<u32, Failure> {
    calls.set(calls.get() + 1);
    tokio::task::yield_now().await;
    if calls.get() <= failures {
        return Err(Failure::Busy);
    }
    Ok(calls.get())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("What the presets wait before each retry, jitter included:");
    for (name, policy) in [
        ("fast", RetryPolicy::fast()),
        ("default", RetryPolicy::default()),
        ("conservative", RetryPolicy::conservative()),
    ] {
        let delays: Vec<_> = (2..=6).map(|attempt| policy.delay(attempt)).collect();
        println!("  {name}, {} retries: {delays:.0?} …", policy.max_retries());
    }

    let policy = RetryPolicy::builder()
        .max_retries(3)
        .initial_delay(Duration::from_millis(200))
        .max_delay(Duration::from_secs(5))
        .multiplier(2.5)
        .jitter(Jitter::None)
        .build();
    let calls = Cell::new(0);
    let begun = Instant::now();
    let answer = policy.run(|| call(&calls, 2)).await;
    assert_eq!(answer, Ok(3));
    assert_eq!(begun.elapsed(), Duration::from_millis(200 + 500));
    println!("The third attempt succeeds, after {:?}.", begun.elapsed());

    let calls = Cell::new(0);
    assert_eq!(policy.run(|| call(&calls, 99)).await, Err(Failure::Busy));
    assert_eq!(calls.get(), 4, "the first attempt and three retries");
    println!("What goes on failing is given up with the last error, after 4 attempts.");

    let calls = Cell::new(0);
    let refused = policy
        .run(async || {
            calls.set(calls.get() + 1);
            Err::<(), _>(Failure::NoSuchThing)
        })
        .retry_if(|failure| *failure == Failure::Busy);
    assert_eq!(refused.await, Err(Failure::NoSuchThing));
    assert_eq!(calls.get(), 1);
    println!("What no attempt can help is not tried again.");

    // Around a lock: the lock is let go between attempts, so others are not kept waiting by a resource that is ill.
    let coord = Coordinator::builder().build();
    let calls = Cell::new(0);
    let attempt = async || {
        let lock = coord.lock("resource:7").wait(Duration::from_secs(1));
        lock.run(async |_| call(&calls, 2).await).await
    };
    assert_eq!(
        policy.run(attempt).deadline(Duration::from_secs(60)).await,
        Ok(3)
    );
    println!("Under a lock, the third attempt succeeds too.");

    // When everything fails, retries make it worse. A breaker lets nothing through for a while.
    let breaker = CircuitBreaker::builder()
        .failure_threshold(5)
        .reset_timeout(Duration::from_secs(60))
        .build();
    let calls = Cell::new(0);
    for _ in 0..20 {
        let outcome = RetryPolicy::fast()
            .run(|| call(&calls, 999))
            .with_breaker(&breaker)
            .await;
        assert!(outcome.is_err());
    }
    println!("20 calls to what is down: {} got through.", calls.get());
    assert_eq!(calls.get(), 5, "then the breaker is open");
    coord.shutdown().await;
    Ok(())
}
