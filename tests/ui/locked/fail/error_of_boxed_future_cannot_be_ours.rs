use std::pin::Pin;

use coord::locked;

struct OrderError;

#[locked("order:<id>")]
fn process(id: u64) -> Pin<Box<dyn Future<Output = Result<u64, OrderError>> + Send>> {
    Box::pin(async move { Ok(id) })
}

fn main() {}
