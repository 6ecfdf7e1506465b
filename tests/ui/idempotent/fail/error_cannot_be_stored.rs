use coord::{Error, idempotent};

#[idempotent("payment:<order>", remember_errors)]
async fn pay(order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {}
