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
    #[step(compensate = refund)]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    async fn refund(&self, charge: &u64, ship: &u64) -> Result<(), String> {
        Ok(())
    }

    #[step]
    async fn ship(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
