use coord::{Error, idempotent};

#[idempotent]
async fn nothing(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent(ttl = "24h")]
async fn only_options(order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {}
