use coord::{Error, idempotent};

#[idempotent("payment:<order>", ttl = "0s")]
async fn kept_for_no_time(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", lease = "0ms")]
async fn lost_at_once(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", ttl = "1m", lease = "2m")]
async fn alive_for_longer_than_kept(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", wait = 5)]
async fn without_unit(order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {}
