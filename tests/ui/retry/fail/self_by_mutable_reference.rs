use coord::retry;

struct Client(u64);

impl Client {
    #[retry("fast")]
    async fn call(&mut self) -> Result<(), coord::Error> {
        self.0 += 1;
        Ok(())
    }
}

fn main() {}
