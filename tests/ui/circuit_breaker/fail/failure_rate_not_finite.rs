use coord::circuit_breaker;

#[circuit_breaker(failure_rate = 1e400, window = "10s")]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
