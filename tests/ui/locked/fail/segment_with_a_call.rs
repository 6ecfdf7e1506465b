use coord::locked;

#[locked("order:<id.to_string()>")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
