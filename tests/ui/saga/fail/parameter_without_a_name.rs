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
    async fn charge(&self) -> Result<(u64, u64), String> {
        Ok((1, 2))
    }

    #[step]
    async fn ship(&self, (one, two): &(u64, u64)) -> Result<u64, String> {
        Ok(*one + *two)
    }
}

fn main() {}
