use coord::circuit_breaker;

#[circuit_breaker]
async fn call(id: u64) -> u64 {
    id
}

fn main() {}
