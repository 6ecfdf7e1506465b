use coord::saga;
use serde::{Deserialize, Serialize};

#[saga("import:<id>")]
#[derive(Serialize, Deserialize)]
struct Import<T> {
    id: u64,
    batches: Vec<T>,
}

#[saga]
impl Import<u8> {
    #[step]
    async fn load(&self) -> Result<u64, String> {
        Ok(self.id)
    }
}

#[saga("export:<id>")]
#[derive(Serialize, Deserialize)]
struct Export<T> {
    id: u64,
    batches: Vec<T>,
}

#[saga(name = "export")]
impl<T> Export<T> {
    #[step]
    async fn store(&self) -> Result<u64, String> {
        Ok(self.id)
    }
}

#[saga(name = "")]
impl Import<u16> {
    #[step]
    async fn load(&self) -> Result<u64, String> {
        Ok(self.id)
    }
}

#[saga(name = "shop/import")]
impl Import<u32> {
    #[step]
    async fn load(&self) -> Result<u64, String> {
        Ok(self.id)
    }
}

fn main() {}
