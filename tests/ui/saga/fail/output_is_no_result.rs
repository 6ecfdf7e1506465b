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
    #[step(compensate = refund)]
    async fn charge(&self) -> u64 {
        self.order_id
    }

    async fn refund(&self, charge: &u64) -> () {}

    #[step]
    async fn pack(&self) -> Option<u64> {
        Some(self.order_id)
    }

    #[step]
    fn ship(&self) -> impl Future<Output = (u64, u64)> + Send {
        std::future::ready((1, 2))
    }

    #[step]
    async fn tell(&self, charge: &u64) -> Result<u64, String> {
        Ok(*charge)
    }
}

fn main() {}
