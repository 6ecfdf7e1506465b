use coord::locked;

#[locked("order:<id>>v1")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
