//! What a retried call does.

use std::future::{IntoFuture as _, pending};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use coord::{CircuitBreaker, Error, Jitter, RetryPolicy};
use tokio::time::Instant;

use crate::support::{Downstream, Failure, ms, secs};

/// Three retries after 100, 200 and 400 ms.
fn exact() -> RetryPolicy {
    RetryPolicy::builder()
        .max_retries(3)
        .initial_delay(ms(100))
        .max_delay(secs(10))
        .jitter(Jitter::None)
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_call_is_made_again_until_it_succeeds() {
    let downstream = Downstream::default();
    let result = exact()
        .run(async || downstream.call(3, Failure::Busy).await)
        .await;
    assert_eq!(result, Ok(3));
    assert_eq!(downstream.pauses().len(), 2);
    let paused: Vec<_> = downstream
        .pauses()
        .iter()
        .map(Duration::as_millis)
        .collect();
    assert_eq!(paused, [100, 200]);
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_returned_when_all_retries_are_used() {
    let downstream = Downstream::default();
    let numbered = AtomicU32::new(0);
    let result: Result<(), u32> = exact()
        .run(async || {
            let _ = downstream.call(0, Failure::Busy).await;
            Err(numbered.fetch_add(1, Ordering::Relaxed))
        })
        .await;
    assert_eq!((result, downstream.calls()), (Err(3), 4));
}

#[tokio::test(start_paused = true)]
async fn no_retries_means_one_attempt() {
    let downstream = Downstream::default();
    let never = exact().to_builder().max_retries(0).build();
    let result = never
        .run(async || downstream.call(2, Failure::Busy).await)
        .await;
    assert_eq!((result, downstream.calls()), (Err(Failure::Busy), 1));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_not_worth_it_is_returned_at_once() {
    let downstream = Downstream::default();
    let policy = exact();
    let call = policy.run(async || downstream.call(2, Failure::Refused).await);
    let result = call.retry_if(Failure::is_transient).await;
    assert_eq!((result, downstream.calls()), (Err(Failure::Refused), 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_called_until_it_is_awaited_and_nothing_after_it_is_dropped() {
    let downstream = Downstream::default();
    let policy = exact();
    let call = policy
        .run(async || downstream.call(0, Failure::Busy).await)
        .into_future();
    assert_eq!(downstream.calls(), 0);
    assert!(tokio::time::timeout(ms(150), call).await.is_err());
    assert_eq!(downstream.calls(), 2);
    tokio::time::advance(secs(60)).await;
    assert_eq!(downstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_can_be_spawned() {
    let task = tokio::spawn(async move {
        let downstream = Downstream::default();
        exact()
            .run(async || downstream.call(3, Failure::Busy).await)
            .retry_if(Failure::is_transient)
            .deadline(secs(60))
            .attempt_timeout(secs(5))
            .await
    });
    assert_eq!(task.await.unwrap(), Ok(3));
}

#[tokio::test(start_paused = true)]
async fn calls_do_not_share_a_sequence_of_delays() {
    let policy = RetryPolicy::builder()
        .max_retries(4)
        .jitter(Jitter::Decorrelated)
        .build();
    let (one, two) = (Downstream::default(), Downstream::default());
    let run = async |downstream: &Downstream| {
        let _ = policy
            .run(async || downstream.call(0, Failure::Busy).await)
            .await;
    };
    tokio::join!(run(&one), run(&two));
    assert_ne!(one.pauses(), two.pauses());
    assert!(one.pauses()[0] <= ms(301) && two.pauses()[0] <= ms(301));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_cannot_end_before_the_deadline_is_not_started() {
    let downstream = Downstream::default();
    let policy = exact();
    let begun = Instant::now();
    let call = policy.run(async || downstream.call(0, Failure::Busy).await);
    let result = call.deadline(ms(250)).await;
    assert_eq!((result, downstream.calls()), (Err(Failure::Busy), 2));
    // The delay that could not be followed by an attempt was not waited for either.
    assert!(begun.elapsed() < ms(150));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_under_way_is_dropped_at_the_deadline() {
    let begun = Instant::now();
    let result: Result<(), Error> = exact()
        .run(async || pending().await)
        .deadline(secs(2))
        .await;
    assert!(matches!(result, Err(Error::DeadlineExceeded { after }) if after == secs(2)));
    assert_eq!(begun.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_no_time_starts_nothing() {
    let downstream = Downstream::default();
    let policy = exact();
    let call = policy.run(async || downstream.call(1, Failure::Busy).await);
    assert!(matches!(
        call.deadline(Duration::ZERO).await,
        Err(Failure::Ours(_))
    ));
    assert_eq!(downstream.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn times_that_no_clock_reaches_are_no_limit() {
    let downstream = Downstream::default();
    let policy = exact();
    let call = policy.run(async || downstream.call(2, Failure::Busy).await);
    let result = call
        .deadline(Duration::MAX)
        .attempt_timeout(Duration::MAX)
        .await;
    assert_eq!(result, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_dropped_and_retried() {
    let downstream = Downstream::default();
    let policy = exact();
    let call = policy.run(async || {
        if downstream.call(2, Failure::Busy).await.is_err() {
            pending::<()>().await;
        }
        Ok::<_, Failure>(())
    });
    // Whatever the condition says of errors of the body.
    let result = call.attempt_timeout(secs(1)).retry_if(|_| false).await;
    assert_eq!(result, Ok(()));
    assert_eq!(downstream.pauses()[0].as_millis(), 1_100);
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_that_takes_too_long_says_so() {
    let policy = exact();
    let call = policy.run(async || pending::<Result<(), Error>>().await);
    let result = call.attempt_timeout(secs(1)).await;
    assert!(matches!(result, Err(Error::AttemptTimeout { after }) if after == secs(1)));
}

#[tokio::test(start_paused = true)]
async fn what_a_server_asks_for_is_a_floor() {
    let downstream = Downstream::default();
    let policy = exact();
    let call = policy.run(async || downstream.call(3, Failure::Busy).await);
    let result = call.retry_after(|_| Some(ms(150))).await;
    assert_eq!(result, Ok(3));
    let paused: Vec<_> = downstream
        .pauses()
        .iter()
        .map(Duration::as_millis)
        .collect();
    assert_eq!(paused, [150, 200]);
}

#[tokio::test(start_paused = true)]
async fn jitter_comes_on_top_of_the_floor() {
    let policy = RetryPolicy::builder()
        .max_retries(100)
        .initial_delay(ms(100))
        .multiplier(1.0)
        .build();
    let downstream = Downstream::default();
    let call = policy.run(async || downstream.call(0, Failure::Busy).await);
    let _ = call.retry_after(|_| Some(secs(5))).await;
    let pauses = downstream.pauses();
    assert_eq!(pauses.len(), 100);
    assert!(
        pauses
            .iter()
            .all(|pause| *pause >= secs(5) && *pause <= ms(5_102))
    );
    assert!(pauses.iter().any(|pause| *pause > ms(5_020)));
}

#[tokio::test(start_paused = true)]
async fn the_floor_is_bounded_by_the_cap_and_by_the_deadline() {
    let downstream = Downstream::default();
    let policy = exact();
    let call = policy.run(async || downstream.call(2, Failure::Busy).await);
    assert_eq!(call.retry_after(|_| Some(secs(3600))).await, Ok(2));
    assert_eq!(downstream.pauses()[0].as_secs(), 10);

    let begun = Instant::now();
    let call = policy.run(async || downstream.call(0, Failure::Busy).await);
    let result = call.retry_after(|_| Some(secs(5))).deadline(secs(4)).await;
    assert_eq!((result, downstream.calls()), (Err(Failure::Busy), 3));
    assert!(begun.elapsed() < secs(1));
}

#[tokio::test(start_paused = true)]
async fn retrying_stops_when_the_breaker_is_open_and_says_so() {
    let downstream = Downstream::default();
    let breaker = CircuitBreaker::builder()
        .name("gateway")
        .failure_threshold(2)
        .build();
    let begun = Instant::now();
    let policy = exact();
    let call = policy.run(async || {
        let result = downstream.call(0, Failure::Busy).await;
        result.map_err(|_| Error::AttemptTimeout { after: secs(1) })
    });
    let retry_after = match call.retry_if(|_| true).with_breaker(&breaker).await {
        Err(Error::CircuitOpen {
            name: "gateway",
            retry_after,
        }) => retry_after,
        other => panic!("{other:?}"),
    };
    assert_eq!(retry_after, secs(60));
    // The second failure opened it: a third attempt was neither made nor waited for.
    assert_eq!(downstream.calls(), 2);
    assert!(begun.elapsed() < ms(150));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_goes_through_the_breaker() {
    let downstream = Downstream::default();
    let breaker = CircuitBreaker::builder()
        .failure_threshold(2)
        .reset_timeout(secs(60))
        .build();
    let policy = exact();
    let call = || {
        policy
            .run(async || downstream.call(3, Failure::Busy).await)
            .with_breaker(&breaker)
    };
    let Err(Failure::Ours(open)) = call().await else {
        panic!("the breaker is open after two failures");
    };
    assert!(open.starts_with("CircuitOpen"), "{open}");
    assert!(matches!(call().await, Err(Failure::Ours(_))));
    assert_eq!(downstream.calls(), 2);
    tokio::time::advance(secs(60)).await;
    assert_eq!(call().await, Ok(3));
    assert_eq!(breaker.state(), coord::policy::BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_not_worth_a_retry_tells_the_breaker_nothing() {
    let downstream = Downstream::default();
    let breaker = CircuitBreaker::builder().failure_threshold(1).build();
    let policy = exact();
    let call = policy.run(async || downstream.call(0, Failure::Refused).await);
    let result = call
        .with_breaker(&breaker)
        .retry_if(Failure::is_transient)
        .await;
    assert_eq!(result, Err(Failure::Refused));
    assert_eq!(breaker.state(), coord::policy::BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_cut_off_is_a_failure_for_the_breaker() {
    let breaker = CircuitBreaker::builder().failure_threshold(1).build();
    let policy = exact();
    let call = policy.run(async || pending::<Result<(), Error>>().await);
    let result = call.attempt_timeout(secs(1)).with_breaker(&breaker).await;
    assert!(
        matches!(result, Err(Error::CircuitOpen { .. })),
        "{result:?}"
    );
    assert_eq!(breaker.state(), coord::policy::BreakerState::Open);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the body")]
async fn a_panic_is_not_retried() {
    let downstream = Downstream::default();
    let policy = exact();
    let _: Result<(), Failure> = policy
        .run(async || {
            let _ = downstream.call(0, Failure::Busy).await;
            assert!(downstream.calls() < 2, "retried after a panic");
            panic!("the body");
        })
        .await;
}
