use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>", name = "order", ttl = "7d", coord = self.coord)]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
}

#[saga(retention = "7d", retry = "fast", timeout = "1m")]
impl PlaceOrder {
    #[step]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
