mod prelude {
    pub use coord::locked;
}

#[coord::locked("order:<id>")]
#[coord::locked("stock:<id>", wait = "1s")]
async fn process(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

#[prelude::locked("order:<id>")]
#[self::prelude::locked("stock:<id>")]
async fn exported(id: u64) -> Result<(), coord::Error> {
    Ok(())
}

fn main() {}
