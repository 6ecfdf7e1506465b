use coord::locked;

#[locked("order:<id>")]
async fn process() -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
