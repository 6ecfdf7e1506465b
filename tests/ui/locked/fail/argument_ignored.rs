use coord::locked;

#[locked("order:<id>")]
async fn process(_: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
