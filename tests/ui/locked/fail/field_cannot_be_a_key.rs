use coord::locked;

struct Order {
    id: u64,
    weight: f64,
}

#[locked("order:<order.weight>")]
async fn process(order: &Order) -> Result<u64, coord::Error> {
    Ok(order.id)
}

fn main() {}
