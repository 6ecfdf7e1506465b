use coord::retry;

struct Client(String);

impl Client {
    #[retry("fast")]
    async fn call(self) -> Result<usize, coord::Error> {
        Ok(self.0.len())
    }
}

fn main() {}
