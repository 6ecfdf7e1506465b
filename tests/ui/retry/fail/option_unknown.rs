use coord::retry;

#[retry(max_retry = 3)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
