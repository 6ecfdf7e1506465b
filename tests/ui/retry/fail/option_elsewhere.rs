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

#[retry(tries = 3, retries = 3, delay = "1s", factor = 2, timeout = "1s")]
async fn others(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[retry(coord = self.coord)]
async fn coordinator(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
