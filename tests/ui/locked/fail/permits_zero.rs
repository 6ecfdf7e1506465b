use coord::locked;

#[locked("order:<id>", permits = 0)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
