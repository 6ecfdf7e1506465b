use coord::locked;

#[locked(ttl = "30s")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
