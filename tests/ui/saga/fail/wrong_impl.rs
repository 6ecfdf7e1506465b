use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    items: Vec<String>,
}

trait Orders {
    fn limit(&self) -> usize;
}

#[saga]
impl Orders for PlaceOrder {
    fn limit(&self) -> usize {
        5
    }
}

#[saga("order:<order_id>", nmae = "order")]
impl PlaceOrder {
    #[step]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
