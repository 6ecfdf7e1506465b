use coord::retry;

#[retry(initial_delay = "10s", max_delay = "1s")]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
