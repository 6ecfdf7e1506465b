use coord::retry;

#[retry(initial_delay = 200)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
