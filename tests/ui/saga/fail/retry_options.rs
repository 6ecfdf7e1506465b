use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("order:<order_id>")]
#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    order_id: u64,
}

#[saga]
impl PlaceOrder {
    #[step(retry("fats", max_retires = 3))]
    async fn reserve(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(retry("fast", 3, attempt_timeout = "5s", deadline = "1m"))]
    async fn charge(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(retry(initial_delay = "1m", max_delay = "5s", multiplier = 0.5))]
    async fn pack(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(retry(max_retries = self.patience, policy = POLICY))]
    async fn ship(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(retry("fast", initial_delay = "3s"))]
    async fn send(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }

    #[step(retry)]
    async fn tell(&self) -> Result<u64, String> {
        Ok(self.order_id)
    }
}

#[saga("notice:<id>")]
#[derive(Serialize, Deserialize)]
struct Notice {
    id: u64,
}

#[saga]
impl Notice {
    #[step(retry(fast))]
    async fn write(&self) -> Result<u64, String> {
        Ok(self.id)
    }

    #[step(retry(attempts = 3, times = 3, retry_if = always, timeout = "1s"))]
    async fn send(&self) -> Result<u64, String> {
        Ok(self.id)
    }

    #[step(max_retries = 3)]
    async fn tell(&self) -> Result<u64, String> {
        Ok(self.id)
    }
}

fn main() {}
