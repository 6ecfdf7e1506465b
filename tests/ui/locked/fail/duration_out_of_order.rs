use coord::locked;

#[locked("order:<id>", wait = "30m 1h")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
