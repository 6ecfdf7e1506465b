use coord::{Error, idempotent};

#[idempotent("payment:<order>", "customer:<customer>")]
async fn pay(order: u64, customer: u64) -> Result<u64, Error> {
    Ok(order + customer)
}

fn main() {}
