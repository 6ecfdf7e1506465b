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
    #[step(compensat = refund, name = "charge", undo = refund)]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step("ship", timeout = "10", retry = "fats", pivot = true)]
    async fn ship(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(timeout = "0s", retry = 5, each = 3)]
    async fn tell(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(timeout = self.patience, retry = self.policy(), parallel)]
    async fn wait(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(if = is_wanted)]
    async fn wanted(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step = "last"]
    async fn last(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(timeout = "1s")]
    #[step(retry = "fast")]
    async fn twice(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
