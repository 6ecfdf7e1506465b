use coord::{Error, idempotent};

#[idempotent("payment:<ordr>", ttl = "0s", in_progress = "fail", fingerprint(amuont), context = order, lese = "2m")]
async fn pay(order: u64, amount: u64) -> Result<u64, Error> {
    Ok(order + amount)
}

fn main() {}
