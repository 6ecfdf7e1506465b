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
    #[step(when = is_gift)]
    async fn wrap(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    async fn is_gift(&self) -> bool {
        true
    }

    #[step(when = count)]
    async fn pack(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    fn count(&self, pack: &u64) -> usize {
        self.items.len()
    }

    #[step(when = nothing)]
    async fn ship(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    fn nothing(&self) {}
}

fn main() {}
