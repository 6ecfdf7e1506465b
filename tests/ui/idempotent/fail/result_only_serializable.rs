use coord::{Error, idempotent};
use serde::Serialize;

#[derive(Serialize)]
struct Payment {
    order: u64,
}

#[idempotent("payment:<order>")]
async fn pay(order: u64) -> Result<Payment, Error> {
    Ok(Payment { order })
}

fn main() {}
