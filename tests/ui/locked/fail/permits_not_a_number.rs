use coord::locked;

#[locked("order:<id>", permits = "5")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
