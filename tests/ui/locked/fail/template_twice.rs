use coord::locked;

#[locked("order:<id>", "order:<id>")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
