use coord::{Error, idempotent, locked, retry};

#[idempotent("payout:<id>", ttl = "24h")]
#[locked("account:<account>", skip)]
async fn pay_out(id: u64, account: u64) -> Result<u64, Error> {
    Ok(id + account)
}

#[idempotent("refund:<id>")]
#[retry("fast")]
#[locked("account:<account>", at_least = "1s", skip, lease = lease)]
async fn refund(id: u64, account: u64) -> Result<u64, Error> {
    let _ = lease.token();
    Ok(id + account)
}

fn main() {}
