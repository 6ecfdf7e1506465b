use coord::saga;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
}

#[saga]
impl PlaceOrder {
    #[step]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
