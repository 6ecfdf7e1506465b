//! A millisecond more than in `pass/longest_delays.rs`.

use coord::retry;

#[retry("fast", initial_delay = "1s 1ms")]
async fn fast(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[retry("default", initial_delay = "10s 1ms")]
async fn default(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[retry(initial_delay = "10s 1ms")]
async fn by_default(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[retry("conservative", initial_delay = "30s 1ms")]
async fn conservative(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
