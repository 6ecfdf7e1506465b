use coord::circuit_breaker;

#[circuit_breaker]
async fn call(id: u64) -> Result<u64, std::fmt::Error> {
    Ok(id)
}

fn main() {}
