use coord::locked;

#[locked("order:<ids>")]
async fn process(ids: &[u64]) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
