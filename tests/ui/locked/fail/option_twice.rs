use coord::locked;

#[locked("order:<id>", ttl = "30s", ttl = "40s")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
