use coord::saga;
use serde::{Deserialize, Serialize};

struct Item;

#[saga("import:<id>")]
#[derive(Serialize, Deserialize)]
struct Import<T> {
    id: u64,
    items: Vec<T>,
}

#[saga(name = "import-items")]
impl Import<Item> {
    #[step]
    async fn load(&self) -> Result<u64, String> {
        Ok(self.id)
    }
}

fn main() {}
