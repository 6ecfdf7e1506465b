use coord::locked;

#[locked("order:<id>", ttl = "30")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
