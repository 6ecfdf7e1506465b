use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    items: Vec<String>,
}

#[saga]
impl PlaceOrder {
    #[step(compensate = refnd, timeout = "10")]
    fn charge(&self, reserve: u64) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(pivot, id = "charge")]
    async fn ship(&self, chrge: &u64) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn uses(order: PlaceOrder, outputs: PlaceOrderOutputs) -> u64 {
    outputs.ship + order.order_id
}

fn main() {}
