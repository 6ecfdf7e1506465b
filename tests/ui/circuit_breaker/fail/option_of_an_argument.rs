use coord::circuit_breaker;

#[circuit_breaker(failures = failures)]
async fn call(failures: u32) -> Result<u32, coord::Error> {
    Ok(failures)
}

fn main() {}
