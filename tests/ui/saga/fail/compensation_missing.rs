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
    #[step(compensate = refnd)]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    async fn refund(&self, charge: &u64) -> Result<(), String> {
        Ok(())
    }

    #[step(compensate = charge)]
    async fn ship(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(compensate = "refund")]
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
    #[step(compensate = undo, when = is_wanted)]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.id)
    }
}

fn main() {}
