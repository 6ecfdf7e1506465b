use coord::circuit_breaker;

#[circuit_breaker(failure_rate = 0.0)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
