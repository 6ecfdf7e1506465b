use std::pin::Pin;
use std::rc::Rc;

use coord::locked;

#[locked("order:<id>")]
fn process(id: u64) -> Pin<Box<dyn Future<Output = Result<u64, coord::Error>> + Send>> {
    Box::pin(async move {
        let shared = Rc::new(id);
        std::future::ready(()).await;
        Ok(*shared)
    })
}

fn main() {}
