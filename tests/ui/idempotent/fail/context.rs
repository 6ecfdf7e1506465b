use coord::{Error, idempotent};

#[idempotent("payment:<order>", context = order)]
async fn taken(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", context = self.context)]
async fn not_a_name(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", context)]
async fn without_a_name(order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {}
