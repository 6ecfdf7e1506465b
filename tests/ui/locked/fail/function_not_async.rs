use coord::locked;

#[locked("order:<id>")]
fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
