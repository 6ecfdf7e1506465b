use coord::retry;

#[retry(jitter = "150%")]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
