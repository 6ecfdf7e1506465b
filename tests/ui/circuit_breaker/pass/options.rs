//! Every option of `#[circuit_breaker]`, without a warning.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code, clippy::missing_errors_doc, clippy::unused_async)]

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use coord::{CircuitBreaker, Error, circuit_breaker, locked, retry};

extern crate coord as renamed;

const FAILURES: u32 = 5;
const RESET: Duration = Duration::from_secs(60);

struct Service {
    breaker: CircuitBreaker,
}

fn is_down(error: &Error) -> bool {
    error.is_retryable()
}

#[circuit_breaker]
async fn by_default(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[circuit_breaker(failures = 5, reset = "1m")]
async fn as_documented(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[circuit_breaker(
    failures = FAILURES,
    failure_rate = 0.5,
    window = "10s",
    minimum_calls = 20,
    reset = RESET,
    probes = 2,
    successes = 3,
    is_failure = is_down,
    name = "gateway",
    crate = renamed
)]
async fn everything(id: u64) -> Result<u64, Error> {
    Ok(id)
}

/// Constants of any name.
const BREAKER: &str = "gateway";

#[circuit_breaker(name = BREAKER)]
async fn named_by_a_constant() -> Result<(), Error> {
    Ok(())
}

#[circuit_breaker(failure_rate = 1, is_failure = |error| !is_down(error))]
fn boxed(id: &u64) -> Pin<Box<dyn Future<Output = Result<&u64, Error>> + Send + '_>> {
    Box::pin(async move { Ok(id) })
}

impl Service {
    #[circuit_breaker(breaker = self.breaker)]
    async fn given(&mut self, changes: &mut u8) -> Result<(), Error> {
        *changes += 1;
        Ok(())
    }

    #[circuit_breaker(failures = 3)]
    #[locked("order:<id>")]
    #[retry("fast")]
    fn stacked(
        &self,
        id: u64,
        owned: String,
    ) -> impl Future<Output = Result<String, Error>> + Send {
        async move {
            let _ = (&self.breaker, id);
            Ok(owned)
        }
    }
}
