use coord::locked;

struct Service {
    tenant: u64,
}

impl Service {
    #[locked("tenant:<slef.tenant>")]
    async fn process(&self) -> Result<u64, coord::Error> {
        Ok(self.tenant)
    }
}

fn main() {}
