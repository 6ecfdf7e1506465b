use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    items: Vec<String>,
}

struct Stock(std::cell::Cell<u64>);

#[saga]
impl PlaceOrder {
    #[step]
    async fn reserve(&self, #[dep] stock: &Stock) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
