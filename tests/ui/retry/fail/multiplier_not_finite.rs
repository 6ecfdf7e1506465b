use coord::retry;

#[retry(multiplier = 1e400)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
