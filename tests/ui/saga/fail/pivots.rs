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
    #[step(pivot, compensate = refund)]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    async fn refund(&self, charge: &u64) -> Result<(), String> {
        Ok(())
    }

    #[step(compensate = recall)]
    async fn ship(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    async fn recall(&self, ship: &u64) -> Result<(), String> {
        Ok(())
    }

    #[step(pivot)]
    async fn tell(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

#[saga("other:<id>")]
#[derive(Serialize, Deserialize)]
struct Other {
    id: u64,
}

#[saga]
impl Other {
    #[step(parallel, pivot)]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.id)
    }

    #[step]
    async fn ship(&self) -> Result<u64, String> {
        Ok(self.id)
    }
}

fn main() {}
