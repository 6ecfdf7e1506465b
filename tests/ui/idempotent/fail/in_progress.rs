use coord::{Error, idempotent};

#[idempotent("payment:<order>", in_progress = "fail")]
async fn unknown(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", in_progress)]
async fn without_value(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", in_progress = reject)]
async fn not_text(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", in_progress = "reject", wait = "5s")]
async fn contradicts_wait(order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {}
