use coord::locked;

#[locked("order:<id>")]
async fn process<T>(id: T) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
