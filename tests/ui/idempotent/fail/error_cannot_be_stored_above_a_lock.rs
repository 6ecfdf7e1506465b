use coord::{Error, idempotent, locked};

#[idempotent("payment:<order>", remember_errors)]
#[locked("order:<order>")]
async fn pay(order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {}
