use coord::locked;

#[locked("order:<id>")]
const fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
