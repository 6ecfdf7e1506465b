//! Every option of `#[retry]`, and shapes that are its own, without a warning.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code, clippy::missing_errors_doc, clippy::unused_async)]

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use coord::policy::RetryBudget;
use coord::{CircuitBreaker, Error, Jitter, RetryPolicy, locked, retry};

extern crate coord as renamed;

const LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
enum ShopError {
    Busy(Duration),
    Coordination(Error),
}

impl ShopError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_))
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy(after) => Some(*after),
            Self::Coordination(_) => None,
        }
    }
}

impl From<Error> for ShopError {
    fn from(error: Error) -> Self {
        Self::Coordination(error)
    }
}

struct Service {
    policy: RetryPolicy,
    breaker: CircuitBreaker,
    budget: RetryBudget,
    name: String,
}

#[retry]
async fn by_default(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[retry("fast")]
async fn argument_that_is_not_there(
    #[cfg(target_os = "none")] id: Missing,
    #[cfg(not(target_os = "none"))] id: u64,
) -> Result<u64, Error> {
    Ok(id)
}

#[retry("conservative", max_retries = 0)]
async fn preset(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[retry(max_retries = 3, initial_delay = "200ms", if = ShopError::is_transient)]
async fn as_documented(id: u64) -> Result<u64, ShopError> {
    Ok(id)
}

#[retry(
    max_retries = retries + 1,
    initial_delay = LIMIT / 10,
    max_delay = "5s",
    multiplier = 1.5,
    jitter = "25%",
    if = |error| !matches!(error, ShopError::Coordination(_)),
    retry_after = ShopError::retry_after,
    deadline = LIMIT,
    attempt_timeout = "1s",
    name = "gateway"
)]
async fn everything(retries: u32) -> Result<u32, ShopError> {
    Ok(retries)
}

#[retry(jitter = "decorrelated", crate = renamed)]
async fn elsewhere() -> Result<(), Error> {
    Ok(())
}

#[retry(jitter = Jitter::Proportional(0.1), multiplier = 3)]
async fn expressions() -> Result<(), Error> {
    Ok(())
}

/// Constants of any name.
const SITE: &str = "gateway";

#[retry(name = SITE)]
async fn named_by_a_constant() -> Result<(), Error> {
    Ok(())
}

impl Service {
    #[retry(policy = self.policy, breaker = self.breaker, budget = self.budget)]
    async fn given(
        &self,
        mut names: Vec<String>,
        (a, _): (u8, u8),
        _unused: u8,
    ) -> Result<usize, Error> {
        names.push(self.name.clone());
        Ok(names.len() + usize::from(a))
    }

    #[retry("fast")]
    async fn by_smart_pointer(self: &Arc<Self>) -> Result<usize, Error> {
        Ok(self.name.len())
    }

    #[retry("fast")]
    #[locked("name:<self.name>:<of>", lease = lease)]
    async fn stacked<'a>(&'a self, of: u64, text: &'a str) -> Result<&'a str, Error> {
        let _ = lease.token();
        Ok(text)
    }
}

#[retry("fast")]
async fn generic<T: Clone, const N: usize>(
    value: T,
    of: impl Clone,
    _: [u8; N],
) -> Result<impl Clone, Error> {
    Ok((value, of))
}

/// Closures use arguments that the body owns.
#[locked("names")]
#[retry(if = |error| error.is_transient() && names.is_empty(), retry_after = |_| *after)]
async fn closures_over_arguments(
    mut names: Vec<String>,
    after: Box<Option<Duration>>,
) -> Result<usize, ShopError> {
    names.push(String::new());
    drop(after);
    Ok(names.len())
}

#[retry(if = |error| error.is_transient() && !name.is_empty())]
fn closure_over_argument_of_a_boxed_future(
    name: String,
) -> Pin<Box<dyn Future<Output = Result<String, ShopError>> + Send>> {
    Box::pin(async move { Ok(name) })
}

/// What no closure uses may be one's own, and need not be shared between threads.
#[retry(if = ShopError::is_transient)]
async fn not_shared(value: Cell<u8>) -> Result<u8, ShopError> {
    std::future::ready(()).await;
    Ok(value.get())
}

fn is_send<T: Send>(_: &T) {}

fn futures_are_send(service: &Service) {
    is_send(&by_default(1));
    is_send(&everything(1));
    is_send(&service.given(Vec::new(), (1, 2), 3));
    is_send(&service.stacked(1, "text"));
    is_send(&closures_over_arguments(Vec::new(), Box::default()));
    is_send(&not_shared(Cell::new(1)));
}
