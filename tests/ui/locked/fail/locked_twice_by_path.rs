#[coord::locked("order:<id>")]
#[coord::locked("stock:<id>", wait = "1s")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
