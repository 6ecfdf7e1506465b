use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    items: Vec<String>,
}

struct Stock;

#[saga]
impl PlaceOrder {
    #[step(compensate = release)]
    async fn reserve_stock(&self, stock: &Stock) -> Result<u64, String> {
        Ok(self.order_id)
    }

    async fn release(&self, reserve: &u64) -> Result<(), String> {
        Ok(())
    }

    #[step]
    async fn charge(&self, reserve_stok: &u64) -> Result<u64, String> {
        Ok(*reserve_stok)
    }

    #[step(each = items)]
    async fn pack(&self, items: &String) -> Result<(), String> {
        Ok(())
    }

    #[step]
    async fn ship(&self, item: &String) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
