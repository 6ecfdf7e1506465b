//! Every option of `#[idempotent]`, in every form, without a warning.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code, clippy::missing_errors_doc)]

use std::collections::HashMap;
use std::time::Duration;

use coord::{Coordinator, Error, IdempotencyContext, idempotent};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Payment {
    order: u64,
    lines: Vec<(String, Option<u64>)>,
}

#[derive(Debug, Serialize, Deserialize)]
enum PayError {
    Refused {
        reason: String,
    },
    #[serde(skip)]
    Coordination(Error),
}

impl From<Error> for PayError {
    fn from(error: Error) -> Self {
        Self::Coordination(error)
    }
}

const DAY: Duration = Duration::from_secs(86_400);

#[idempotent("payment:<order>", ttl = "24h", lease = "2m", wait = "1m 30s")]
async fn durations(order: u64) -> Result<Payment, Error> {
    Ok(Payment {
        order,
        lines: Vec::new(),
    })
}

#[idempotent("payment:<order>", ttl = DAY * 2, lease = lease, wait = Duration::ZERO)]
async fn expressions(order: u64, lease: Duration) -> Result<(), Error> {
    Ok(())
}

#[idempotent("payment:<order>", in_progress = "reject")]
async fn rejects(order: u64) -> Result<(), Error> {
    Ok(())
}

#[idempotent("payment:<order>", in_progress = "wait", wait = "5s")]
async fn waits(order: u64) -> Result<(), Error> {
    Ok(())
}

#[idempotent("payment:<order>", fingerprint(amount, currency, tags,))]
async fn some_arguments(
    order: u64,
    amount: f64,
    currency: &str,
    tags: HashMap<String, Vec<u8>>,
    _wait: Duration,
) -> Result<f64, Error> {
    Ok(amount)
}

#[idempotent("payment:<order>:<r#type>", fingerprint)]
async fn all_arguments(
    order: u64,
    r#type: u8,
    (a, b): (u8, String),
    payment: &mut Payment,
    _unused: Option<u8>,
) -> Result<u8, Error> {
    payment.order += u64::from(a);
    Ok(a + u8::try_from(b.len()).unwrap_or(0))
}

#[idempotent("payment:<order>", fingerprint)]
async fn argument_that_is_not_there(
    order: u64,
    #[cfg(target_os = "none")] amount: Missing,
    #[cfg(not(target_os = "none"))] amount: u64,
    #[cfg(target_os = "none")] currency: Missing,
) -> Result<u64, Error> {
    Ok(order + amount)
}

#[idempotent("payment:<order>", fingerprint(amount))]
async fn one_of_two_arguments_is_there(
    order: u64,
    #[cfg(target_os = "none")] amount: Missing,
    #[cfg(not(target_os = "none"))] amount: u64,
) -> Result<u64, Error> {
    Ok(order + amount)
}

/// Only a field of it is in the key, so all of it is compared.
#[idempotent("payment:<payment.order>", fingerprint)]
async fn argument_with_a_field_in_the_key(payment: &Payment) -> Result<u64, Error> {
    Ok(payment.order)
}

#[idempotent("payment:<order>", remember_errors)]
async fn remembers_errors(order: u64) -> Result<u64, PayError> {
    if order == 0 {
        return Err(PayError::Refused {
            reason: String::new(),
        });
    }
    Ok(order)
}

#[idempotent("payment:<order>", remember_errors)]
#[coord::locked("order:<order>")]
async fn remembers_errors_of_the_body_alone(order: u64) -> Result<u64, PayError> {
    if order == 0 {
        return Err(PayError::Refused {
            reason: String::new(),
        });
    }
    Ok(order)
}

#[idempotent("payment:<order>", context = ctx)]
async fn context(order: u64) -> Result<String, Error> {
    let ctx: &IdempotencyContext = ctx;
    let _ = (ctx.attempt(), ctx.token(), order);
    Ok(ctx.downstream_key("charge"))
}

#[idempotent("payment:<order>", context = _ctx)]
async fn context_that_says_it_is_unused(order: u64) -> Result<(), Error> {
    Ok(())
}

struct Service {
    coord: Coordinator,
    lease: Duration,
}

impl Service {
    #[idempotent("payment:<order>", coord = self.coord, lease = self.lease, crate = ::coord)]
    async fn method(&self, order: u64) -> Result<u64, PayError> {
        Ok(order)
    }
}

#[idempotent("payment:<order>", context = ctx)]
#[coord::locked("order:<order>", lease = lease)]
async fn stacked(order: u64) -> Result<(u32, u64), Error> {
    Ok((ctx.attempt(), lease.token().into()))
}

#[coord::locked("order:<order>", lease = lease)]
#[coord::idempotent("payment:<order>", context = ctx)]
async fn stacked_the_other_way(order: u64) -> Result<(u32, u64), Error> {
    Ok((ctx.attempt(), lease.token().into()))
}
