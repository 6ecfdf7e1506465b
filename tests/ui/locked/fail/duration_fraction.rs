use coord::locked;

#[locked("order:<id>", wait = "1.5s")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
