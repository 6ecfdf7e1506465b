//! A saga where nothing is in scope that is not named, and what is named like the standard library is not it.
#![no_implicit_prelude]
#![deny(warnings, clippy::pedantic)]
#![allow(dead_code)]

mod std {}
mod core {}
mod coord {}

struct Result;
struct Option;
struct Vec;

#[::coord::saga("order:<order_id>")]
#[derive(::serde::Serialize, ::serde::Deserialize)]
struct PlaceOrder {
    order_id: u64,
}

#[::coord::saga]
impl PlaceOrder {
    #[step(retry(max_retries = 2), timeout = "3s")]
    async fn charge(&self) -> ::core::result::Result<u64, ::coord::Error> {
        ::core::future::ready(::core::result::Result::Ok(self.order_id)).await
    }
}
