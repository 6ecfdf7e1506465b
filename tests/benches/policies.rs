//! What a policy adds to a call that succeeds at once: a retry beside that of `backon`, and a closed circuit
//! breaker beside that of `failsafe`, in the same run. The call is the same for all, and one that the compiler does
//! not look into.
//!
//! `cargo bench -p coord-tests --bench policies`

use std::hint::black_box;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use coord::{CircuitBreaker, RetryPolicy};
use coord_tests::bench::compare_small;
use failsafe::failure_policy::{consecutive_failures, success_rate_over_time_window};
use failsafe::futures::CircuitBreaker as _;

#[derive(Debug)]
struct Failure;

// It could fail, for all that its callers know.
#[allow(clippy::unnecessary_wraps)]
#[inline(never)]
fn answer() -> Result<u64, Failure> {
    Ok(black_box(42))
}

/// A contestant that awaits a call, so many times.
macro_rules! awaiting {
    ($runtime:ident, $call:expr) => {
        &mut |turns| {
            $runtime.block_on(async {
                for _ in 0..turns {
                    black_box($call.await.expect("a value"));
                }
            });
        }
    };
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");

    println!("\na retried call that succeeds at once");
    let theirs = ExponentialBuilder::default().with_jitter();
    let ours = RetryPolicy::fast();
    compare_small(&mut [
        (
            "backon",
            awaiting!(runtime, (async || answer()).retry(theirs)),
        ),
        ("coord", awaiting!(runtime, ours.run(async || answer()))),
        (
            "coord, with a condition",
            awaiting!(runtime, ours.run(async || answer()).retry_if(|_| true)),
        ),
        ("the call alone", awaiting!(runtime, async { answer() })),
    ]);

    let (window, reset) = (Duration::from_secs(10), Duration::from_secs(60));
    let constant = failsafe::backoff::constant(reset);

    println!("\na call through a closed circuit breaker that counts failures in a row");
    let in_a_row = consecutive_failures(5, constant.clone());
    let theirs = failsafe::Config::new().failure_policy(in_a_row).build();
    let ours = CircuitBreaker::builder()
        .failure_threshold(5)
        .reset_timeout(reset)
        .build();
    compare_small(&mut [
        (
            "failsafe",
            awaiting!(runtime, theirs.call(async { answer() })),
        ),
        ("coord", awaiting!(runtime, ours.run(async || answer()))),
    ]);

    println!("\na call through a closed circuit breaker with a failure rate");
    let rate = success_rate_over_time_window(0.5, 10, window, constant);
    let theirs = failsafe::Config::new().failure_policy(rate).build();
    let ours = CircuitBreaker::builder()
        .failure_rate(0.5)
        .minimum_calls(10)
        .window(window)
        .reset_timeout(reset)
        .build();
    compare_small(&mut [
        (
            "failsafe",
            awaiting!(runtime, theirs.call(async { answer() })),
        ),
        ("coord", awaiting!(runtime, ours.run(async || answer()))),
    ]);
}
