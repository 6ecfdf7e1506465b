//! Functions where nothing is in scope that is not named, and what is named like the standard library is not it.
#![no_implicit_prelude]
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code)]

mod std {}
mod core {}
mod coord {}
mod inventory {}

struct Result;
struct Option;
struct String;
struct Box;
struct Arc;
struct Ok;
struct None;
struct Lease;

#[derive(::core::clone::Clone, ::coord::KeyPart)]
struct Id(u64);

#[::coord::locked("order:<id>", ttl = "30s", wait = "5s", lease = lease)]
async fn locks(id: Id) -> ::core::result::Result<u64, ::coord::Error> {
    let token: u64 = ::core::convert::Into::into(lease.token());
    ::core::future::ready(::core::result::Result::Ok(token + id.0)).await
}

#[::coord::locked("report", skip)]
async fn skips() -> ::core::result::Result<(), ::coord::Error> {
    ::core::future::ready(::core::result::Result::Ok(())).await
}

#[::coord::idempotent("payment:<id>", ttl = "1h", fingerprint, context = context)]
async fn pays(id: u64, amount: u64) -> ::core::result::Result<u64, ::coord::Error> {
    let _ = (context.attempt(), id);
    ::core::future::ready(::core::result::Result::Ok(amount)).await
}

#[::coord::retry(jitter = "full", if = ::coord::Error::is_retryable)]
#[::coord::locked("order:<id>")]
#[::coord::circuit_breaker(failures = 3, reset = "1m")]
async fn tries(id: u64) -> ::core::result::Result<u64, ::coord::Error> {
    ::core::future::ready(::core::result::Result::Ok(id)).await
}

#[::coord::retry("fast", deadline = "1m", attempt_timeout = "1s")]
async fn tries_fast() -> ::core::result::Result<(), ::coord::Error> {
    ::core::future::ready(::core::result::Result::Ok(())).await
}

fn key(id: u64) -> ::core::result::Result<::coord::Key, ::coord::Error> {
    ::coord::key!("order:<id>")
}

fn main() {}
