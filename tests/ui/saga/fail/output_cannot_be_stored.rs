use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    items: Vec<String>,
}

struct Charge(u64);

#[derive(Debug)]
struct Mistake;

#[saga]
impl PlaceOrder {
    #[step]
    async fn charge(&self) -> Result<Charge, String> {
        Ok(Charge(self.order_id))
    }

    #[step]
    async fn ship(&self) -> Result<u64, Mistake> {
        Ok(self.order_id)
    }
}

fn main() {}
