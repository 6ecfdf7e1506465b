use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
}

fn is_transient(_: &u8) -> bool {
    true
}

#[saga]
impl PlaceOrder {
    #[step(retry(if = is_transient))]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
