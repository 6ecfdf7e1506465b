use coord::circuit_breaker;

#[circuit_breaker(threshold = 3)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[circuit_breaker(failure_threshold = 3, reset_timeout = "1m", half_open_probes = 1, success_threshold = 1)]
async fn as_its_builder_has_them(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[circuit_breaker(timeout = "1m")]
async fn timeout(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[circuit_breaker(coord = self.coord)]
async fn coordinator(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
