use coord::locked;

#[locked("order:<id>", skip, wait = "5s")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
