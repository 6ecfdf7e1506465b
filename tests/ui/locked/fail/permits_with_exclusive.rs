use coord::locked;

#[locked("order:<id>", exclusive, permits = 5)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
