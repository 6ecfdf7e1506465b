use coord::retry;

#[retry(initial_delay = "10s", max_delay = "1s")]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[retry("fast", initial_delay = "3s")]
async fn fast(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[retry(initial_delay = "11s")]
async fn by_default(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[retry("conservative", initial_delay = "1m")]
async fn conservative(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
