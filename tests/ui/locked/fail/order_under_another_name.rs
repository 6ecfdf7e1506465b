use coord::{locked as lock, retry as again};

#[again("fast")]
#[lock("order:<id>", lease = lease)]
async fn renamed(id: u64) -> Result<u64, coord::Error> {
    Ok(u64::from(lease.token()) + id)
}

#[coord::locked("order:<id>")]
#[lock("stock:<id>")]
async fn twice(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
