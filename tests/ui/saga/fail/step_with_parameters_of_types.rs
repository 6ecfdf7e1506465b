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
    async fn charge<T: Send>(&self, #[dep] gateway: &T) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step]
    async fn ship(&self, charge: &impl Send) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
