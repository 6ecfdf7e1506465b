use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    items: Vec<String>,
}

use std::rc::Rc;

#[saga]
impl PlaceOrder {
    #[step]
    async fn charge(&self) -> Result<u64, String> {
        let kept = Rc::new(self.order_id);
        std::future::ready(()).await;
        Ok(*kept)
    }
}

fn main() {}
