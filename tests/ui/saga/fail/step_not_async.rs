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
    fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step]
    async fn ship(&self) {}

    #[step]
    async unsafe fn tell(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
