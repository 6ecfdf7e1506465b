use coord::{Error, idempotent};

#[idempotent("payment:<order>", context = ctx)]
async fn pay(order: u64) -> Result<u64, Error> {
    ctx.attempt().parse()?;
    Ok(order.to_string())
}

fn main() {}
