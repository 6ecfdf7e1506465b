use coord::locked;

#[locked("order:<id>", ttl = "0s")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
