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
    #[step(retry = 5 + 5)]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(timeout = 5 + 5)]
    async fn ship(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(each = itmes)]
    async fn pack(&self, item: &String) -> Result<u64, String> {
        Ok(item.len() as u64)
    }

    #[step(each = order_id)]
    async fn count(&self, item: &String) -> Result<u64, String> {
        Ok(item.len() as u64)
    }
}

fn main() {}
