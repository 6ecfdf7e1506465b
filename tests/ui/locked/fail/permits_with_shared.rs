use coord::locked;

#[locked("order:<id>", permits = 5, shared)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
