//! How many retries a budget allows.

use std::time::Duration;

use coord::policy::RetryBudget;
use coord::{Jitter, RetryPolicy};

use crate::support::{Downstream, Failure, secs};

/// How many retries `calls` calls get that all fail.
async fn retries(budget: &RetryBudget, calls: u32) -> u32 {
    let policy = RetryPolicy::builder()
        .max_retries(1)
        .initial_delay(Duration::ZERO)
        .jitter(Jitter::None)
        .build();
    let downstream = Downstream::default();
    for _ in 0..calls {
        let call = policy.run(async || downstream.call(0, Failure::Busy).await);
        assert_eq!(call.with_budget(budget).await, Err(Failure::Busy));
    }
    downstream.calls() - calls
}

#[tokio::test(start_paused = true)]
async fn a_budget_allows_the_part_it_says() {
    // Parts that a whole number of percent, or of anything, would get wrong.
    for (part, allowed) in [
        (0.2, 200),
        (0.6, 600),
        (0.001, 1),
        (0.333, 333),
        (1.0, 1_000),
        (0.0, 0),
    ] {
        let budget = RetryBudget::new(part).reserve(0).burst(1_000);
        assert_eq!(retries(&budget, 1_000).await, allowed, "{part}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_shared_by_all_who_have_it() {
    let budget = RetryBudget::new(0.5).reserve(0);
    let policy = RetryPolicy::fast();
    for _ in 0..4 {
        let call = policy.run(async || Ok::<_, Failure>(()));
        call.with_budget(&budget.clone()).await.unwrap();
    }
    // Four calls and the first of these have paid for two retries, the others for another one.
    assert_eq!(retries(&budget, 3).await, 3);
    assert_eq!(retries(&budget, 1).await, 1);
    assert_eq!(retries(&budget, 1).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_saved_up_is_bounded() {
    let budget = RetryBudget::new(1.0).reserve(0).burst(3);
    let policy = RetryPolicy::fast();
    for _ in 0..100 {
        let call = policy.run(async || Ok::<_, Failure>(()));
        call.with_budget(&budget).await.unwrap();
    }
    let stubborn = RetryPolicy::builder()
        .max_retries(50)
        .jitter(Jitter::None)
        .build();
    let downstream = Downstream::default();
    let call = stubborn.run(async || downstream.call(0, Failure::Busy).await);
    assert_eq!(call.with_budget(&budget).await, Err(Failure::Busy));
    assert_eq!(downstream.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_few_retries_a_second_are_allowed_in_any_case() {
    let budget = RetryBudget::new(0.0).reserve(10);
    assert_eq!(retries(&budget, 100).await, 10);
    assert_eq!(retries(&budget, 100).await, 0);
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(retries(&budget, 100).await, 5);
    tokio::time::advance(secs(3600)).await;
    assert_eq!(retries(&budget, 100).await, 10);
}

#[tokio::test(start_paused = true)]
async fn parts_without_sense_allow_nothing() {
    for part in [-1.0, f64::NAN, f64::NEG_INFINITY] {
        assert_eq!(
            retries(&RetryBudget::new(part).reserve(0), 10).await,
            0,
            "{part}"
        );
    }
    let unlimited = RetryBudget::new(f64::INFINITY).reserve(0);
    assert_eq!(retries(&unlimited, 10).await, 10);
}
