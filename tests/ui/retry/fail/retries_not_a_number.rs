use coord::retry;

#[retry(max_retries = "3")]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
