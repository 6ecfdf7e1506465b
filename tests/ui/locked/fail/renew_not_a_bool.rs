use coord::locked;

#[locked("order:<id>", renew = "no")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
