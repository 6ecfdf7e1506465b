use coord::circuit_breaker;

fn is_down(_: &u8) -> bool {
    true
}

#[circuit_breaker(is_failure = is_down)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
