use coord::retry;

#[retry(jitter = 25)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
