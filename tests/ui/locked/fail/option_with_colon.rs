use coord::{locked, retry};

#[locked("order:<id>", ttl: "3s")]
async fn process(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[retry(max_retries: 3)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
