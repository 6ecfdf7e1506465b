use coord::locked;

#[locked("order:<id>", at_least = "0ms")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
