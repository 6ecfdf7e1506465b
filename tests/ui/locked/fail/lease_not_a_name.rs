use coord::locked;

#[locked("order:<id>", lease = "lease")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
