use coord::circuit_breaker;

#[circuit_breaker(failures = 0)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
