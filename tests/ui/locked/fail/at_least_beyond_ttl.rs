use coord::locked;

#[locked("order:<id>", ttl = "30s", renew = false, at_least = "1m")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
