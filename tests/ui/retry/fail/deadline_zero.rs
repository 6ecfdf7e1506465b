use coord::retry;

#[retry(deadline = "0s")]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
