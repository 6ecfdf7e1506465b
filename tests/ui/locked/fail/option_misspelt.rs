use coord::locked;

#[locked("order:<id>", tll = "30s")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
