use coord::locked;

struct Service;

#[async_trait::async_trait]
trait Process {
    async fn process(&self, pair: (u64, u64)) -> Result<(), coord::Error>;
}

#[async_trait::async_trait]
impl Process for Service {
    #[locked("order:<id>")]
    async fn process(&self, (id, _): (u64, u64)) -> Result<(), coord::Error> {
        let _ = id;
        Ok(())
    }
}

fn main() {}
