use coord::circuit_breaker;

#[circuit_breaker(threshold = 3)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
