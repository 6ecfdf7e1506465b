use coord::locked;

#[locked("order:<id>", crate = "coord")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
