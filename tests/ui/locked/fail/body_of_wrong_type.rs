use coord::locked;

#[locked("order:<id>")]
async fn process(id: u64) -> Result<String, coord::Error> {
    Ok(id)
}

fn main() {}
