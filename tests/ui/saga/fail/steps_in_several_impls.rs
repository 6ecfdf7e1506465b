use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
}

impl PlaceOrder {
    async fn undo(&self, charge: &u64) -> Result<(), String> {
        Ok(())
    }
}

#[saga]
impl PlaceOrder {
    #[step(compensate = undo)]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

#[saga]
impl PlaceOrder {
    #[step]
    async fn ship(&self, charge: &u64) -> Result<u64, String> {
        Ok(*charge)
    }
}

fn main() {}
