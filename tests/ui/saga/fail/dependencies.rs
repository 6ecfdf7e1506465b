use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    items: Vec<String>,
}

struct Stock;

trait Mail: Send + Sync {}

#[saga]
impl PlaceOrder {
    #[step]
    async fn reserve(&self, #[dep] stock: Stock, #[dep] other: &mut Stock) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step]
    async fn tell(&self, #[dep] mail: &dyn Mail, #[dep(post)] post: &Stock) -> Result<u64, String> {
        Ok(self.order_id)
    }

    async fn by_hand(&self, #[dep] stock: &Stock) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

fn main() {}
