use coord::locked;

#[locked("order:<id>", blocking)]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
