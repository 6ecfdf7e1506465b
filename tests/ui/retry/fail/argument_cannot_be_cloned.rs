use coord::retry;

struct Order {
    id: u64,
}

#[retry("fast")]
async fn call(order: Order) -> Result<u64, coord::Error> {
    Ok(order.id)
}

fn main() {}
