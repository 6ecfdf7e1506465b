//! When a breaker opens, and what it refuses.

use std::panic::AssertUnwindSafe;

use coord::policy::BreakerState::{Closed, HalfOpen, Open};
use coord::{BreakerError, CircuitBreaker, Error};
use futures_util::FutureExt as _;

use crate::support::{Failure, ms, secs};

/// Calls through the breaker as it is told; `None` if it refused.
pub(crate) async fn call(breaker: &CircuitBreaker, succeeds: bool) -> Option<bool> {
    let result = breaker
        .run(async || if succeeds { Ok(()) } else { Err(Failure::Busy) })
        .await;
    match result {
        Ok(()) => Some(true),
        Err(BreakerError::Inner(_)) => Some(false),
        Err(BreakerError::Open { .. }) => None,
    }
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_open_it() {
    let breaker = CircuitBreaker::builder().failure_threshold(3).build();
    for succeeds in [false, false, true, false, false] {
        assert!(call(&breaker, succeeds).await.is_some());
        assert_eq!(breaker.state(), Closed);
    }
    assert_eq!(call(&breaker, false).await, Some(false));
    assert_eq!(breaker.state(), Open);
    assert_eq!(call(&breaker, true).await, None);
}

#[tokio::test(start_paused = true)]
async fn five_in_a_row_are_the_default() {
    let breaker = CircuitBreaker::builder().build();
    for _ in 0..4 {
        call(&breaker, false).await;
    }
    assert_eq!(breaker.state(), Closed);
    call(&breaker, false).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_for_how_long_and_calls_nothing() {
    let breaker = CircuitBreaker::builder()
        .failure_threshold(1)
        .reset_timeout(secs(60))
        .build();
    call(&breaker, false).await;
    tokio::time::advance(secs(20)).await;
    let refused = breaker
        .run(async || -> Result<(), Failure> { panic!("called") })
        .await;
    assert_eq!(
        refused,
        Err(BreakerError::Open {
            retry_after: secs(40)
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_rate_counts_only_with_a_minimum_of_calls() {
    let breaker = CircuitBreaker::builder()
        .failure_rate(0.5)
        .minimum_calls(10)
        .build();
    for _ in 0..9 {
        call(&breaker, false).await;
        assert_eq!(breaker.state(), Closed);
    }
    // The tenth call decides, whether or not it fails itself.
    call(&breaker, true).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn a_failure_rate_below_the_threshold_does_not_open_it() {
    let breaker = CircuitBreaker::builder()
        .failure_rate(0.5)
        .minimum_calls(10)
        .build();
    for turn in 0..1_000 {
        call(&breaker, turn % 5 != 4 && turn % 5 != 1).await;
        assert_eq!(breaker.state(), Closed);
    }
}

/// Over many calls, a few failures are few, however many they are together.
#[tokio::test(start_paused = true)]
async fn the_window_slides() {
    let breaker = CircuitBreaker::builder()
        .failure_rate(0.5)
        .minimum_calls(4)
        .window(secs(10))
        .build();
    for _ in 0..20_000 {
        call(&breaker, true).await;
    }
    // What is long past no longer outweighs what happens now.
    tokio::time::advance(secs(11)).await;
    for _ in 0..3 {
        call(&breaker, false).await;
        assert_eq!(breaker.state(), Closed);
    }
    call(&breaker, false).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn old_failures_leave_the_window() {
    let breaker = CircuitBreaker::builder()
        .failure_rate(0.5)
        .minimum_calls(4)
        .window(secs(10))
        .build();
    for _ in 0..100 {
        for succeeds in [true, true, false] {
            call(&breaker, succeeds).await;
        }
        tokio::time::advance(secs(4)).await;
        assert_eq!(breaker.state(), Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn either_of_both_conditions_opens_it() {
    let builder = || {
        CircuitBreaker::builder()
            .failure_threshold(3)
            .failure_rate(0.6)
            .minimum_calls(10)
            .build()
    };
    let in_a_row = builder();
    for _ in 0..3 {
        call(&in_a_row, false).await;
    }
    assert_eq!(in_a_row.state(), Open);
    let often = builder();
    for turn in 0..12 {
        call(&often, turn % 3 == 2).await;
    }
    assert_eq!(often.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn ignored_errors_are_neither_failures_nor_successes() {
    let breaker = CircuitBreaker::builder().failure_threshold(2).build();
    let ignored = async || {
        let call = breaker.run(async || Err::<(), _>(Failure::Refused));
        call.is_failure(Failure::is_transient).await
    };
    for _ in 0..100 {
        assert_eq!(ignored().await, Err(BreakerError::Inner(Failure::Refused)));
    }
    assert_eq!(breaker.state(), Closed);
    // It does not end a row of failures either.
    call(&breaker, false).await;
    let _ = ignored().await;
    call(&breaker, false).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn being_turned_away_by_us_is_no_failure() {
    let breaker = CircuitBreaker::builder().failure_threshold(1).build();
    let coord = coord::Coordinator::builder().build();
    let _held = coord.lock("order:42").acquire().await.unwrap();
    let busy = breaker.run(async || coord.lock("order:42").wait(secs(0)).acquire().await);
    assert!(matches!(
        busy.await,
        Err(BreakerError::Inner(Error::LockTimeout { .. }))
    ));
    assert_eq!(breaker.state(), Closed);
    let timeout = async || Err::<(), _>(Error::AttemptTimeout { after: secs(1) });
    assert!(breaker.run(timeout).await.is_err());
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure() {
    let breaker = CircuitBreaker::builder().failure_threshold(1).build();
    let call = async {
        breaker
            .run(async || -> Result<(), Failure> { panic!("the body") })
            .await
    };
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_counts_as_nothing() {
    let breaker = CircuitBreaker::builder().failure_threshold(1).build();
    let call = async {
        breaker
            .run(async || std::future::pending::<Result<(), Failure>>().await)
            .await
    };
    assert!(tokio::time::timeout(ms(10), call).await.is_err());
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_the_same_breaker() {
    let breaker = CircuitBreaker::builder().failure_threshold(1).build();
    let clone = breaker.clone();
    call(&clone, false).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn its_state_can_be_followed() {
    let breaker = CircuitBreaker::builder()
        .failure_threshold(1)
        .reset_timeout(secs(1))
        .build();
    let mut observer = breaker.observe();
    assert_eq!(observer.changed().await, Some(Closed));
    call(&breaker, false).await;
    assert_eq!(observer.changed().await, Some(Open));
    tokio::time::advance(secs(1)).await;
    breaker
        .run(async || {
            assert_eq!(observer.changed().await, Some(HalfOpen));
            Ok::<_, Failure>(())
        })
        .await
        .unwrap();
    assert_eq!(observer.changed().await, Some(Closed));
    drop(breaker);
    assert_eq!(observer.changed().await, None);
}

#[tokio::test(start_paused = true)]
async fn figures_without_sense_are_taken_to_the_nearest_that_has_some() {
    for builder in [
        CircuitBreaker::builder().failure_threshold(0),
        CircuitBreaker::builder()
            .failure_rate(f64::NAN)
            .minimum_calls(0),
        CircuitBreaker::builder()
            .failure_rate(-1.0)
            .minimum_calls(1),
        CircuitBreaker::builder()
            .failure_rate(7.0)
            .minimum_calls(1)
            .window(secs(0)),
    ] {
        let breaker = builder.half_open_probes(0).success_threshold(0).build();
        call(&breaker, true).await;
        assert_eq!(breaker.state(), Closed, "{breaker:?}");
        tokio::time::advance(secs(61)).await;
        call(&breaker, false).await;
        assert_eq!(breaker.state(), Open, "{breaker:?}");
    }
}

/// Many tasks at once, none of which a count may lose.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_failure_is_lost_between_threads() {
    let breaker = CircuitBreaker::builder().failure_threshold(400).build();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let breaker = breaker.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    call(&breaker, false).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(breaker.state(), Open);
}

/// The window has to hold enough calls all the same.
#[tokio::test(start_paused = true)]
async fn a_failure_rate_of_zero_opens_at_one_failure_among_enough_calls() {
    let builder = CircuitBreaker::builder().failure_rate(0.0).minimum_calls(3);
    let breaker = builder.build();
    call(&breaker, false).await;
    call(&breaker, true).await;
    assert_eq!(breaker.state(), Closed);
    call(&breaker, true).await;
    assert_eq!(breaker.state(), Open);
}
