use coord::locked;

#[locked("order:<>")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
