use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<total>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    total: f64,
}

#[saga]
impl PlaceOrder {
    #[step]
    async fn charge(&self) -> Result<f64, String> {
        Ok(self.total)
    }
}

fn main() {}
