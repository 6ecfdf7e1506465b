use coord::circuit_breaker;

#[circuit_breaker(breaker = "gateway")]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
