use coord::retry;

#[retry(fast)]
async fn preset(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[retry(attempts = 3, retry_if = always)]
async fn attempts(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[retry(times = 3)]
async fn times(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
