use coord::locked;

struct Order {
    id: u64,
    weight: f64,
}

#[locked("order:<order.idd>")]
async fn process(order: &Order) -> Result<f64, coord::Error> {
    let _ = order.id;
    Ok(order.weight)
}

fn main() {}
