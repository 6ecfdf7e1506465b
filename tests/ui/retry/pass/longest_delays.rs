//! The longest delays that the macros know the presets by are those that the presets have. A millisecond more is
//! refused, in `fail/delay_above_the_preset.rs`.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code)]

use std::time::Duration;

use coord::{Error, Jitter, RetryPolicy, retry};

#[retry("fast", initial_delay = "1s")]
async fn fast() -> Result<(), Error> {
    Ok(())
}

#[retry("default", initial_delay = "10s")]
async fn default() -> Result<(), Error> {
    Ok(())
}

#[retry(initial_delay = "10s")]
async fn by_default() -> Result<(), Error> {
    Ok(())
}

#[retry("conservative", initial_delay = "30s")]
async fn conservative() -> Result<(), Error> {
    Ok(())
}

/// The delay that no later one is above.
fn longest(preset: &RetryPolicy) -> Duration {
    let exact = preset.to_builder().jitter(Jitter::None).build();
    exact.delay(u32::MAX)
}

#[test]
fn does_what_it_says() {
    assert_eq!(longest(&RetryPolicy::fast()), Duration::from_secs(1));
    assert_eq!(longest(&RetryPolicy::default()), Duration::from_secs(10));
    assert_eq!(
        longest(&RetryPolicy::conservative()),
        Duration::from_secs(30)
    );
}
