use coord::circuit_breaker;

const BREAKER: u8 = 3;

#[circuit_breaker(breaker = BREAKER)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
