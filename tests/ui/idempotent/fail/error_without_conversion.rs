use coord::idempotent;

#[idempotent("payment:<order>")]
async fn pay(order: u64) -> Result<u64, String> {
    Ok(order)
}

fn main() {}
