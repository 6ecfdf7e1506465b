use coord::locked;

#[derive(Debug)]
struct OrderError;

#[locked("order:<id>")]
async fn process(id: u64) -> Result<(), OrderError> {
    Ok(())
}

fn main() {}
