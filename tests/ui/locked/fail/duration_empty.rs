use coord::locked;

#[locked("order:<id>", wait = "")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
