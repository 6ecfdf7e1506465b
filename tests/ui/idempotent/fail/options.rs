use coord::{Error, idempotent};

#[idempotent("payment:<order>", tll = "24h")]
async fn unknown(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", ttl = "24h", ttl = "48h")]
async fn given_twice(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", remember_errors = true)]
async fn with_a_value(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", coord = "redis")]
async fn not_a_coordinator(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", reject, timeout = "3s")]
async fn elsewhere(order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {}
