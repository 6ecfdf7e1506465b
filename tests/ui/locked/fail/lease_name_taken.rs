use coord::locked;

#[locked("order:<id>", lease = id)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
