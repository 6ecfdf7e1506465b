use coord::{Error, idempotent};

#[idempotent("payment:<order>", fingerprint(amuont))]
async fn misspelt(order: u64, amount: u64) -> Result<u64, Error> {
    Ok(order + amount)
}

#[idempotent("payment:7", fingerprint(amount))]
async fn of_no_arguments() -> Result<u64, Error> {
    Ok(7)
}

#[idempotent("payment:<order>", fingerprint(amount, amount))]
async fn twice(order: u64, amount: u64) -> Result<u64, Error> {
    Ok(order + amount)
}

#[idempotent("payment:<order>", fingerprint())]
async fn of_nothing(order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[idempotent("payment:<order>", fingerprint = amount)]
async fn with_a_value(order: u64, amount: u64) -> Result<u64, Error> {
    Ok(order + amount)
}

#[idempotent("payment:<order>", fingerprint(amount.cents))]
async fn of_a_field(order: u64, amount: u64) -> Result<u64, Error> {
    Ok(order + amount)
}

#[idempotent("payment:<order>", fingerprint)]
async fn all_in_the_key(order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {}
