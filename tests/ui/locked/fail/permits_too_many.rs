use coord::locked;

#[locked("order:<id>", permits = 4294967296)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
