use coord::locked;

#[locked("order:<id>")]
async fn process(id: Option<u64>) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
