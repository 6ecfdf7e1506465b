use coord::{Error, circuit_breaker};

#[circuit_breaker(is_failure = |error| error.to_string().contains(&name))]
async fn call(name: String) -> Result<String, Error> {
    Ok(name)
}

fn main() {}
