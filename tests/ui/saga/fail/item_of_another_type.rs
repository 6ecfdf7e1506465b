use coord::saga;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Item(u64);

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    items: Vec<Item>,
}

#[saga]
impl PlaceOrder {
    #[step(each = items, compensate = unpack)]
    async fn pack(&self, item: &u64) -> Result<u64, String> {
        Ok(*item)
    }

    async fn unpack(&self, pack: &u64, item: &Vec<Item>) -> Result<u64, String> {
        Ok(*pack + item.len() as u64)
    }

    #[step(each = order_id)]
    async fn send(&self, item: &Item) -> Result<u64, String> {
        Ok(item.0)
    }

    #[step(each = item)]
    async fn tell(&self, item: &Item) -> Result<u64, String> {
        Ok(item.0)
    }
}

fn main() {}
