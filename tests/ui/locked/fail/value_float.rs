use coord::locked;

#[locked("order:<weight>")]
async fn process(weight: f64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
