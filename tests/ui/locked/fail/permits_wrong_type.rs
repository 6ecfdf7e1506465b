use coord::locked;

const PERMITS: usize = 5;

#[locked("order:<id>", permits = PERMITS)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
