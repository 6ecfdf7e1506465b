use coord::retry;

#[retry("fast")]
async fn call<T: Send>(order: T, of: impl Send) -> Result<(), coord::Error> {
    drop((order, of));
    Ok(())
}

fn main() {}
