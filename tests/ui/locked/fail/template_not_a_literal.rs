use coord::locked;

const KEY: &str = "order";

#[locked(KEY)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
