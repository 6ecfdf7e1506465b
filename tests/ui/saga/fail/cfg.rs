use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
}

#[saga]
impl PlaceOrder {
    #[cfg(target_os = "none")]
    #[step]
    async fn reserve(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step]
    #[cfg(not(target_os = "none"))]
    async fn reserve(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[cfg_attr(not(target_os = "none"), step)]
    async fn charge(&self, reserve: &u64) -> Result<u64, String> {
        Ok(*reserve)
    }

    #[step(compensate = return_parcel, when = is_parcel)]
    async fn ship(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    async fn return_parcel(
        &self,
        #[cfg(not(target_os = "none"))] ship: Option<&u64>,
    ) -> Result<(), String> {
        let _ = ship;
        Ok(())
    }

    #[cfg(target_os = "none")]
    fn is_parcel(&self) -> bool {
        true
    }
}

fn main() {}
