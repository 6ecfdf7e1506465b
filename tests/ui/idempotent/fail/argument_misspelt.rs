use coord::{Error, idempotent};

#[idempotent("payment:<ordr>")]
async fn pay(order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {}
