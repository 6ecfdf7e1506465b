use coord::circuit_breaker;

#[circuit_breaker(failures = 5, window = "10s", minimum_calls = 3)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
