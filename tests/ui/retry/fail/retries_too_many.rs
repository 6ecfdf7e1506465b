use coord::retry;

#[retry(max_retries = 5_000_000_000)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
