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

    fn refund(&self, charge: &u64) -> Result<(), String> {
        Ok(())
    }

    #[step(compensate = recall)]
    async fn ship(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    async fn recall(ship: &u64) {}

    #[step(compensate = forget)]
    async fn tell(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    async fn forget<T>(&mut self, tell: &u64) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
