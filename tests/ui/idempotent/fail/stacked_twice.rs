use coord::{Error, idempotent};

#[idempotent("payment:<order>")]
#[idempotent("customer:<order>")]
async fn pay(order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {}
