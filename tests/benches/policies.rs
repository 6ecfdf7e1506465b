//! What a policy adds to a call that succeeds at once: a retry beside that of `backon`, and a closed circuit
//! breaker beside that of `failsafe`, in the same run. The body is the same trivial future for all.
//!
//! `cargo bench -p coord-tests --bench policies`

use std::hint::black_box;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use coord::{CircuitBreaker, RetryPolicy};
use coord_tests::bench::compare_small;
use failsafe::failure_policy::success_rate_over_time_window;
use failsafe::futures::CircuitBreaker as _;

#[derive(Debug)]
struct Failure;

async fn call() -> Result<u64, Failure> {
    black_box(Ok(black_box(42)))
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");

    let policy = RetryPolicy::fast();
    println!("\na retried call that succeeds at once");
    compare_small(&mut [
        ("backon", &mut |turns| {
            runtime.block_on(async {
                let backoff = ExponentialBuilder::default().with_jitter();
                for _ in 0..turns {
                    black_box(call.retry(backoff).await).expect("a value");
                }
            });
        }),
        ("coord", &mut |turns| {
            runtime.block_on(async {
                for _ in 0..turns {
                    black_box(policy.run(call).await).expect("a value");
                }
            });
        }),
        ("coord, with a condition", &mut |turns| {
            runtime.block_on(async {
                for _ in 0..turns {
                    let retried = policy.run(call).retry_if(|_| true);
                    black_box(retried.await).expect("a value");
                }
            });
        }),
        ("the call alone", &mut |turns| {
            runtime.block_on(async {
                for _ in 0..turns {
                    black_box(call().await).expect("a value");
                }
            });
        }),
    ]);

    let backoff = failsafe::backoff::constant(Duration::from_secs(60));
    let in_a_row = failsafe::failure_policy::consecutive_failures(5, backoff.clone());
    let failsafe = failsafe::Config::new().failure_policy(in_a_row).build();
    let window = Duration::from_secs(10);
    let success_rate = success_rate_over_time_window(0.5, 10, window, backoff);
    let failsafe_by_rate = failsafe::Config::new().failure_policy(success_rate).build();
    let breaker = CircuitBreaker::builder().build();
    let by_rate = CircuitBreaker::builder()
        .failure_rate(0.5)
        .window(window)
        .build();
    println!("\na call through a closed circuit breaker that counts failures in a row");
    compare_small(&mut [
        ("failsafe", &mut |turns| {
            runtime.block_on(async {
                for _ in 0..turns {
                    assert!(black_box(failsafe.call(call()).await).is_ok());
                }
            });
        }),
        ("coord", &mut |turns| {
            runtime.block_on(async {
                for _ in 0..turns {
                    assert!(black_box(breaker.run(call).await).is_ok());
                }
            });
        }),
    ]);

    println!("\na call through a closed circuit breaker with a failure rate");
    compare_small(&mut [
        ("failsafe", &mut |turns| {
            runtime.block_on(async {
                for _ in 0..turns {
                    assert!(black_box(failsafe_by_rate.call(call()).await).is_ok());
                }
            });
        }),
        ("coord", &mut |turns| {
            runtime.block_on(async {
                for _ in 0..turns {
                    assert!(black_box(by_rate.run(call).await).is_ok());
                }
            });
        }),
    ]);
}
