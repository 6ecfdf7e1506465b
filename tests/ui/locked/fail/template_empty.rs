use coord::locked;

#[locked("")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
