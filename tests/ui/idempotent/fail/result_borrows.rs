use coord::{Error, idempotent};

struct Shop {
    name: String,
}

impl Shop {
    #[idempotent("name:<id>", ttl = "1h")]
    async fn name(&self, id: u64) -> Result<&str, Error> {
        Ok(&self.name)
    }
}

#[idempotent("text:<text>", ttl = "1h")]
async fn text<'a>(text: &'a str) -> Result<&'a str, Error> {
    Ok(text)
}

fn main() {}
