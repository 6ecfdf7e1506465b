use coord::{Error, idempotent};

struct Payment {
    order: u64,
}

#[idempotent("payment:<order>")]
async fn not_serializable(order: u64) -> Result<Payment, Error> {
    Ok(Payment { order })
}

#[idempotent("payment:<order>")]
async fn borrowed(order: &str) -> Result<&str, Error> {
    Ok(order)
}

#[idempotent("payment:<order>")]
async fn no_result(order: u64) -> u64 {
    order
}

fn main() {}
