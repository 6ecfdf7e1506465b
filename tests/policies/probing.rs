//! What a half open breaker does with its probes.

use std::future::pending;
use std::panic::AssertUnwindSafe;

use coord::policy::BreakerState::{Closed, HalfOpen, Open};
use coord::{BreakerError, CircuitBreaker};
use futures_util::FutureExt as _;
use tokio::sync::oneshot;

use crate::breaking::call;
use crate::support::{Failure, secs};

/// A breaker that has just been opened, for a minute.
async fn open(probes: u32, successes: u32) -> CircuitBreaker {
    let breaker = CircuitBreaker::builder()
        .failure_threshold(1)
        .reset_timeout(secs(60))
        .half_open_probes(probes)
        .success_threshold(successes)
        .build();
    call(&breaker, false).await;
    breaker
}

/// The same, with its reset timeout over.
async fn rested(probes: u32, successes: u32) -> CircuitBreaker {
    let breaker = open(probes, successes).await;
    tokio::time::advance(secs(60)).await;
    breaker
}

/// A call that is under way until it is told how to end.
async fn under_way(
    breaker: &CircuitBreaker,
) -> (oneshot::Sender<bool>, tokio::task::JoinHandle<bool>) {
    let (end, ended) = oneshot::channel();
    let (begin, begun) = oneshot::channel();
    let breaker = breaker.clone();
    let task = tokio::spawn(async move {
        let call = breaker.run(async || {
            begin.send(()).unwrap();
            if ended.await.unwrap() {
                Ok(())
            } else {
                Err(Failure::Busy)
            }
        });
        call.await.is_ok()
    });
    begun.await.unwrap();
    (end, task)
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_succeeds_closes_it() {
    let breaker = rested(1, 1).await;
    assert_eq!(call(&breaker, true).await, Some(true));
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_for_another_reset_timeout() {
    let breaker = rested(1, 1).await;
    assert_eq!(call(&breaker, false).await, Some(false));
    assert_eq!(breaker.state(), Open);
    tokio::time::advance(secs(59)).await;
    assert_eq!(call(&breaker, true).await, None);
    tokio::time::advance(secs(1)).await;
    assert_eq!(call(&breaker, true).await, Some(true));
}

#[tokio::test(start_paused = true)]
async fn no_more_probes_than_allowed_are_under_way() {
    let breaker = rested(2, 2).await;
    let (end_one, one) = under_way(&breaker).await;
    let (end_two, two) = under_way(&breaker).await;
    assert_eq!(call(&breaker, true).await, None);
    assert_eq!(breaker.state(), HalfOpen);
    end_one.send(true).unwrap();
    assert!(one.await.unwrap());
    assert_eq!(breaker.state(), HalfOpen);
    end_two.send(true).unwrap();
    assert!(two.await.unwrap());
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn it_closes_only_after_as_many_successes_as_asked() {
    let breaker = rested(1, 3).await;
    for state in [HalfOpen, HalfOpen, Closed] {
        assert_eq!(call(&breaker, true).await, Some(true));
        assert_eq!(breaker.state(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_gives_its_permit_back() {
    let breaker = rested(1, 1).await;
    for _ in 0..100 {
        let probe = async {
            breaker
                .run(async || pending::<Result<(), Failure>>().await)
                .await
        };
        assert_eq!(probe.now_or_never(), None);
        assert_eq!(breaker.state(), HalfOpen);
    }
    assert_eq!(call(&breaker, true).await, Some(true));
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_fails_and_gives_its_permit_back() {
    let breaker = rested(1, 1).await;
    let probe = async {
        breaker
            .run(async || -> Result<(), Failure> { panic!("the body") })
            .await
    };
    assert!(AssertUnwindSafe(probe).catch_unwind().await.is_err());
    assert_eq!(breaker.state(), Open);
    tokio::time::advance(secs(60)).await;
    assert_eq!(call(&breaker, true).await, Some(true));
}

/// A probe that is dropped while its thread panics for another reason has not panicked itself.
#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_by_a_panic_elsewhere_is_no_failure() {
    let breaker = rested(1, 1).await;
    let elsewhere = async {
        let mut probe = Box::pin(async {
            breaker
                .run(async || pending::<Result<(), Failure>>().await)
                .await
        });
        assert_eq!(futures_util::poll!(&mut probe), std::task::Poll::Pending);
        panic!("elsewhere");
    };
    assert!(AssertUnwindSafe(elsewhere).catch_unwind().await.is_err());
    assert_eq!(breaker.state(), HalfOpen);
    assert_eq!(call(&breaker, true).await, Some(true));
}

#[tokio::test(start_paused = true)]
async fn an_ignored_error_gives_its_permit_back_and_does_not_close_it() {
    let breaker = rested(1, 1).await;
    for _ in 0..10 {
        let ignored = breaker.run(async || Err::<(), _>(Failure::Refused));
        let result = ignored.is_failure(Failure::is_transient).await;
        assert_eq!(result, Err(BreakerError::Inner(Failure::Refused)));
        assert_eq!(breaker.state(), HalfOpen);
    }
    assert_eq!(call(&breaker, true).await, Some(true));
}

#[tokio::test(start_paused = true)]
async fn results_from_an_older_cycle_are_ignored() {
    // A call from the time before it opened succeeds while it is half open, and fails after it has closed.
    let breaker = CircuitBreaker::builder()
        .failure_threshold(1)
        .reset_timeout(secs(60))
        .build();
    let (end_success, success) = under_way(&breaker).await;
    let (end_failure, failure) = under_way(&breaker).await;
    call(&breaker, false).await;
    tokio::time::advance(secs(60)).await;
    let (end_probe, probe) = under_way(&breaker).await;
    end_success.send(true).unwrap();
    assert!(success.await.unwrap());
    assert_eq!(breaker.state(), HalfOpen);
    end_probe.send(true).unwrap();
    assert!(probe.await.unwrap());
    assert_eq!(breaker.state(), Closed);
    end_failure.send(false).unwrap();
    assert!(!failure.await.unwrap());
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn probes_that_never_end_do_not_keep_it_half_open_for_good() {
    let breaker = rested(1, 1).await;
    let (end, stuck) = under_way(&breaker).await;
    assert_eq!(call(&breaker, true).await, None);
    tokio::time::advance(secs(59)).await;
    let refused = breaker.run(async || Ok::<_, Failure>(())).await;
    assert_eq!(
        refused,
        Err(BreakerError::Open {
            retry_after: secs(1)
        })
    );
    tokio::time::advance(secs(1)).await;
    assert_eq!(call(&breaker, true).await, Some(true));
    assert_eq!(breaker.state(), Closed);
    // The one that was given up ends at last, and does not count.
    end.send(false).unwrap();
    assert!(!stuck.await.unwrap());
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_nobody_calls_stays_open() {
    let breaker = open(1, 1).await;
    tokio::time::advance(secs(3600)).await;
    assert_eq!(breaker.state(), Open);
    assert_eq!(call(&breaker, true).await, Some(true));
    assert_eq!(breaker.state(), Closed);
}

/// What is called takes longer than the reset timeout, each time, and succeeds.
#[tokio::test(start_paused = true)]
async fn a_probe_that_succeeds_late_counts() {
    let breaker = rested(1, 2).await;
    let (end_first, first) = under_way(&breaker).await;
    tokio::time::advance(secs(60)).await;
    let (end_second, second) = under_way(&breaker).await;
    // One more in each reset timeout, whatever is under way.
    assert_eq!(call(&breaker, true).await, None);
    tokio::time::advance(secs(60)).await;
    let (end_third, third) = under_way(&breaker).await;
    assert_eq!(call(&breaker, true).await, None);
    for (end, probe, state) in [
        (end_first, first, HalfOpen),
        (end_second, second, Closed),
        (end_third, third, Closed),
    ] {
        end.send(true).unwrap();
        assert!(probe.await.unwrap());
        assert_eq!(breaker.state(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_late_counts() {
    let breaker = rested(1, 1).await;
    let (end_late, late) = under_way(&breaker).await;
    tokio::time::advance(secs(60)).await;
    let (end, probe) = under_way(&breaker).await;
    end_late.send(false).unwrap();
    assert!(!late.await.unwrap());
    assert_eq!(breaker.state(), Open);
    // That was another cycle.
    end.send(true).unwrap();
    assert!(probe.await.unwrap());
    assert_eq!(breaker.state(), Open);
}
