//! Every option of `#[locked]`, without a warning.
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code, clippy::missing_errors_doc)]

use std::time::Duration;

use coord::{Coordinator, Error, Lease, locked};

extern crate coord as renamed;

const TTL: Duration = Duration::from_secs(30);
const PERMITS: u32 = 5;

struct Service {
    coord: Coordinator,
    ttl: Duration,
    patient: bool,
}

#[locked(
    "order:<id>",
    ttl = "30s",
    wait = "1m 30s",
    at_least = "250ms",
    renew = true,
    exclusive
)]
async fn literals(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[locked("order:<id>", ttl = TTL, wait = wait, at_least = Duration::from_millis(5) * 2, renew = id > 3)]
async fn expressions(id: u64, wait: Duration) -> Result<u64, Error> {
    Ok(id)
}

#[locked("order:<id>", wait = "0s", renew = false)]
async fn tries_once(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[locked("order:<id>", ttl = "1m", at_least = "30s", renew = false)]
async fn kept_within_the_ttl(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[locked("catalog", shared)]
async fn reader() -> Result<(), Error> {
    Ok(())
}

#[locked("gateway", permits = 5)]
async fn semaphore() -> Result<(), Error> {
    Ok(())
}

#[locked("gateway", permits = PERMITS + 1)]
async fn semaphore_of_computed_size() -> Result<(), Error> {
    Ok(())
}

#[locked("account:<from>", "account:<to>", wait = "5s")]
async fn several_keys(from: u64, to: u64) -> Result<u64, Error> {
    Ok(from + to)
}

#[locked("report:daily", skip, at_least = "1m")]
async fn skipped() -> Result<Option<u64>, Error> {
    Ok(Some(1))
}

#[locked("order:<id>", lease = lease)]
async fn with_lease(id: u64) -> Result<&'static str, Error> {
    let lease: &Lease = lease;
    let again = lease;
    std::future::ready(again).await;
    let _ = id;
    Ok("done")
}

#[locked("order:<id>", lease = _lease)]
async fn with_lease_unused(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[locked("order:<id>", coord = coord)]
async fn coordinator_by_reference(coord: &Coordinator, id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[locked("order:<id>", coord = coord)]
async fn coordinator_by_value(coord: Coordinator, id: u64) -> Result<(Coordinator, u64), Error> {
    Ok((coord, id))
}

#[locked("order:<id>", coord = if id > 3 { &service.coord } else { &other.coord })]
async fn coordinator_computed(service: Service, other: &Service, id: u64) -> Result<u64, Error> {
    let _ = service.patient;
    Ok(id)
}

impl Service {
    #[locked("order:<id>", coord = self.coord, ttl = self.ttl, renew = self.patient)]
    async fn from_fields(&self, id: u64) -> Result<u64, Error> {
        Ok(id)
    }
}

#[locked("order:<id>", crate = renamed)]
async fn crate_renamed(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[coord::locked("order:<locked>:<guard>:<value0>:<output>:<start>")]
async fn names_that_generated_code_uses(
    locked: u64,
    guard: u64,
    value0: u64,
    output: u64,
    start: u64,
) -> Result<u64, Error> {
    Ok(locked + guard + value0 + output + start)
}

macro_rules! locked_by_macro {
    ($name:ident, $template:literal, $ttl:expr, $output:ty) => {
        #[locked($template, ttl = $ttl)]
        async fn $name(id: u64) -> $output {
            Ok(id)
        }
    };
}

locked_by_macro!(made_by_macro, "gateway", "30s", Result<u64, Error>);
locked_by_macro!(made_by_macro_from_a_constant, "stock", TTL, Result<u64, Error>);

macro_rules! locked_with_a_body {
    ($name:ident, $body:block) => {
        #[locked("order:<id>")]
        async fn $name(id: u64) -> Result<u64, Error> $body
    };
}

locked_with_a_body!(made_by_macro_from_a_body, { Ok(7) });

/// Braces without the name of an argument, or around a segment, are text.
#[locked("{orders}:<id>", "{order<id>}", "{<id>}", "{id:<id>}", "{0}:{id<id>")]
async fn braces(id: u64) -> Result<u64, Error> {
    Ok(id)
}
