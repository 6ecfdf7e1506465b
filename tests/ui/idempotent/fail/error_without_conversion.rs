use coord::idempotent;

struct Declined;

#[idempotent("payment:<order>")]
async fn pay(order: u64) -> Result<u64, Declined> {
    Ok(order)
}

fn main() {}
