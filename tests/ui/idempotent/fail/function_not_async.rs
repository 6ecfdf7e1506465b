use coord::{Error, idempotent};

#[idempotent("payment:<order>")]
fn pay(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>")]
async fn nothing_to_return(order: u64) {
    let _ = order;
}

#[idempotent("payment")]
struct Payment;

fn main() {}
