use coord::circuit_breaker;

const BREAKER: () = ();

#[circuit_breaker(breaker = BREAKER, failures = 5, reset = "1m")]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
