use coord::saga;

#[saga("order:<order_id>")]
async fn place_order(order_id: u64) {}

#[saga("order:<order_id>")]
enum Order {
    Placed { order_id: u64 },
}

#[saga]
mod orders {}

fn main() {}
