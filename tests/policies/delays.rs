//! How long is waited: the presets' figures, and the bounds of each jitter.

use coord::{Jitter, RetryPolicy};
use proptest::prelude::*;
use std::time::Duration;

use crate::support::{ms, secs};

/// Any figures, extreme ones included.
fn figures() -> impl Strategy<Value = (Duration, Duration, f64, u32)> {
    let duration = prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0_u64..10_000_000).prop_map(Duration::from_micros),
    ];
    let multiplier = prop_oneof![1.0..10.0, Just(f64::MAX), Just(f64::INFINITY)];
    let attempt = prop_oneof![2_u32..12, Just(u32::MAX)];
    (duration.clone(), duration, multiplier, attempt)
}

fn policy(
    (initial, longest, multiplier, _): (Duration, Duration, f64, u32),
    jitter: Jitter,
) -> RetryPolicy {
    RetryPolicy::builder()
        .initial_delay(initial)
        .max_delay(longest)
        .multiplier(multiplier)
        .jitter(jitter)
        .build()
}

/// What is waited without chance.
fn height(figures: (Duration, Duration, f64, u32)) -> Duration {
    policy(figures, Jitter::None).delay(figures.3)
}

proptest! {
    #[test]
    fn no_delay_of_any_jitter_is_above_the_cap(figures in figures(), part in -1.0..3.0) {
        for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Proportional(part)] {
            prop_assert!(policy(figures, jitter).delay(figures.3) <= figures.1, "{jitter:?}");
        }
    }

    #[test]
    fn full_jitter_is_between_nothing_and_the_height(figures in figures()) {
        prop_assert!(policy(figures, Jitter::Full).delay(figures.3) <= height(figures));
    }

    #[test]
    fn equal_jitter_is_between_half_of_the_height_and_all_of_it(figures in figures()) {
        let delay = policy(figures, Jitter::Equal).delay(figures.3);
        prop_assert!(delay >= height(figures) / 2 && delay <= height(figures));
    }

    #[test]
    fn proportional_jitter_is_within_its_part_of_the_height(figures in figures(), part in 0.0..1.0) {
        let delay = policy(figures, Jitter::Proportional(part)).delay(figures.3).as_secs_f64();
        let height = height(figures).as_secs_f64();
        let rounding = 1e-9 + height * 1e-12;
        prop_assert!(delay >= height * (1.0 - part) - rounding && delay <= height * (1.0 + part) + rounding);
    }

    #[test]
    fn decorrelated_jitter_is_between_the_initial_delay_and_three_times_the_previous(figures in figures()) {
        let (initial, longest, _, attempt) = figures;
        let delay = policy(figures, Jitter::Decorrelated).delay(attempt);
        prop_assert!(delay >= initial.min(longest));
        // Of so many draws that the bound is beyond all numbers, only the cap is known.
        if let Some(growth) = 3_u32.checked_pow(attempt - 1) {
            prop_assert!(delay <= initial.saturating_mul(growth));
        }
    }
}

#[test]
fn presets_have_the_documented_figures() {
    for (preset, retries, initial, longest) in [
        (RetryPolicy::fast(), 10, ms(50), secs(1)),
        (RetryPolicy::default(), 50, ms(100), secs(10)),
        (RetryPolicy::conservative(), 20, ms(500), secs(30)),
    ] {
        assert_eq!(preset.max_retries(), retries);
        let exact = preset.to_builder().jitter(Jitter::None).build();
        assert_eq!(exact.delay(1), Duration::ZERO);
        assert_eq!(exact.delay(2), initial);
        assert_eq!(exact.delay(3), initial * 2);
        assert_eq!(exact.delay(4), initial * 4);
        assert_eq!(exact.delay(50), longest);
        for _ in 0..1_000 {
            let delay = preset.delay(3);
            assert!(
                delay >= initial * 2 * 3 / 4 && delay <= initial * 2 * 5 / 4,
                "{delay:?}"
            );
        }
    }
}

#[test]
fn delays_are_drawn_from_all_of_their_range() {
    let policy = RetryPolicy::fast();
    let delays: Vec<_> = (0..1_000).map(|_| policy.delay(2)).collect();
    assert!(delays.iter().any(|delay| *delay < ms(42)));
    assert!(delays.iter().any(|delay| *delay > ms(58)));
}

#[test]
fn the_cap_comes_after_the_jitter() {
    let policy = RetryPolicy::builder()
        .initial_delay(secs(10))
        .max_delay(secs(10))
        .jitter(Jitter::Proportional(1.0))
        .build();
    let delays: Vec<_> = (0..1_000).map(|_| policy.delay(2)).collect();
    assert!(delays.iter().all(|delay| *delay <= secs(10)));
    assert!(delays.iter().any(|delay| *delay < secs(5)));
}

#[test]
fn backoff_saturates() {
    let policy = RetryPolicy::builder()
        .initial_delay(secs(1))
        .max_delay(Duration::MAX)
        .multiplier(f64::INFINITY)
        .jitter(Jitter::None)
        .build();
    assert_eq!(policy.delay(2), secs(1));
    assert_eq!(policy.delay(3), Duration::MAX);
    assert_eq!(policy.delay(u32::MAX), Duration::MAX);
}

#[test]
fn figures_without_sense_are_taken_to_the_nearest_that_has_some() {
    for multiplier in [0.5, 0.0, -3.0, f64::NAN] {
        let policy = RetryPolicy::builder()
            .multiplier(multiplier)
            .jitter(Jitter::None)
            .build();
        assert_eq!(policy.delay(9), ms(100), "{multiplier}");
    }
    for part in [-1.0, f64::NAN] {
        let policy = RetryPolicy::builder()
            .jitter(Jitter::Proportional(part))
            .build();
        assert_eq!(policy.delay(2), ms(100), "{part}");
    }
    assert_eq!(RetryPolicy::fast().delay(0), Duration::ZERO);
}
