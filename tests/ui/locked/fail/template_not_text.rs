use coord::locked;

#[locked(42)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
