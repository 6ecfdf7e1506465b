use coord::locked;

struct Service;

#[locked("order")]
impl Service {
    async fn process(&self) -> Result<(), coord::Error> {
        Ok(())
    }
}

fn main() {}
