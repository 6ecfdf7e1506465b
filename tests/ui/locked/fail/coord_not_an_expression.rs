use coord::locked;

#[locked("order:<id>", coord = "redis://localhost")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
