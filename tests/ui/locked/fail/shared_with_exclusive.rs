use coord::locked;

#[locked("order:<id>", shared, exclusive)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
