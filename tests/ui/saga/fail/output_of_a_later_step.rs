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
    #[step]
    async fn charge(&self, ship: &u64) -> Result<u64, String> {
        Ok(*ship)
    }

    #[step]
    async fn ship(&self, ship: &u64) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
