use coord::locked;

#[locked("tenant:<self.id>:<id>")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
