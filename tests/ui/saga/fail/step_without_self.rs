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
    async fn charge() -> Result<u64, String> {
        Ok(1)
    }

    #[step]
    async fn ship(&mut self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step]
    async fn tell(self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
