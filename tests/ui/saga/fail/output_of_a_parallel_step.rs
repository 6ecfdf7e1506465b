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
    #[step(parallel)]
    async fn pack(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(parallel, compensate = tear)]
    async fn label(&self, pack: &u64) -> Result<u64, String> {
        Ok(*pack)
    }

    async fn tear(&self, label: &u64, pack: &u64) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
