use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    items: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Charge(u64);

#[derive(Serialize, Deserialize)]
struct Reservation(u64);

#[saga]
impl PlaceOrder {
    #[step]
    async fn charge(&self) -> Result<Charge, String> {
        Ok(Charge(self.order_id))
    }

    #[step(compensate = recall)]
    async fn ship(&self, charge: &Reservation) -> Result<u64, String> {
        Ok(charge.0)
    }

    async fn recall(&self, ship: Option<&u32>, charge: &Charge) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
