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
    #[step(each = items, compensate = release)]
    async fn reserve(&self, item: String) -> Result<u64, String> {
        Ok(item.len() as u64)
    }

    async fn release(&self, item: &String, reserve: &[u64]) -> Result<(), String> {
        Ok(())
    }

    #[step(when = is_gift)]
    async fn wrap(&self, reserve: &Vec<u64>) -> Result<u64, String> {
        Ok(reserve[0])
    }

    fn is_gift(&self) -> bool {
        true
    }

    #[step(compensate = refund)]
    async fn charge(&self, wrap: &u64, reserve: &u64) -> Result<u64, String> {
        Ok(*wrap)
    }

    async fn refund(&self, charge: u64) -> Result<(), String> {
        Ok(())
    }

    #[step]
    async fn ship(&self, charge: Option<&u64>) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step]
    async fn tell(&self, charge: u64, ship: &mut u64) -> Result<u64, String> {
        Ok(charge)
    }
}

fn main() {}
