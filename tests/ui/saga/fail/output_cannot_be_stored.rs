use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
    items: Vec<String>,
}

struct Charge(u64);

#[derive(Debug)]
struct Mistake;

#[saga]
impl PlaceOrder {
    #[step]
    async fn charge(&self) -> Result<Charge, String> {
        Ok(Charge(self.order_id))
    }

    #[step(compensate = call_back)]
    async fn ship(&self, charge: &Charge) -> Result<u64, Mistake> {
        Ok(charge.0)
    }

    async fn call_back(&self, ship: &u64, charge: &Charge) -> Result<(), Mistake> {
        let _ = (ship, charge);
        Ok(())
    }

    #[step(each = items, when = is_large)]
    async fn pack(&self, ship: &u64) -> Result<Charge, String> {
        Ok(Charge(*ship))
    }

    fn is_large(&self, charge: &Charge) -> bool {
        charge.0 > 1
    }

    #[step]
    async fn tell(&self, pack: &[Charge]) -> Result<(), String> {
        let _ = pack;
        Ok(())
    }
}

fn main() {}
