use coord::{Error, idempotent};

struct Gateway;

#[idempotent("payment:<order>", fingerprint(gateway))]
async fn named(order: u64, gateway: &Gateway) -> Result<u64, Error> {
    let _ = gateway;
    Ok(order)
}

#[idempotent("payment:<order>", fingerprint)]
async fn all(order: u64, amount: u64, gateway: &Gateway) -> Result<u64, Error> {
    let _ = gateway;
    Ok(order + amount)
}

fn main() {}
