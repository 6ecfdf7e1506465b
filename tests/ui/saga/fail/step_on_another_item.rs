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
    const LIMIT: usize = 5;

    #[step]
    async fn charge(&self, #[dep] #[dep] gateway: &String) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
