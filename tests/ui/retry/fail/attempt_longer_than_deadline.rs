use coord::retry;

#[retry(deadline = "5s", attempt_timeout = "10s")]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
