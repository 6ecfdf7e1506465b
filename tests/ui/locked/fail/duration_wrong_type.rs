use coord::locked;

fn seconds() -> u64 {
    30
}

#[locked("order:<id>", ttl = seconds())]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
