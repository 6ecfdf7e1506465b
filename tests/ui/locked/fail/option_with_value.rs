use coord::locked;

#[locked("order:<id>", shared = true)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
