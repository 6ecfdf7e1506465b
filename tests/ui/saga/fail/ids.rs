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
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(id = "charge")]
    async fn charge_card(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(id = "")]
    async fn ship(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(id = "orders/pack")]
    async fn pack(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(id = tell)]
    async fn tell(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
