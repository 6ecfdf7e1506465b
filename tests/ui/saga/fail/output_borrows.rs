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
    #[step]
    async fn first(&self) -> Result<&str, String> {
        Ok("first")
    }

    #[step]
    async fn second<'a>(&'a self) -> Result<std::borrow::Cow<'a, str>, String> {
        Ok("second".into())
    }

    #[step]
    async fn third(&self) -> Result<impl Send, String> {
        Ok(3)
    }
}

fn main() {}
