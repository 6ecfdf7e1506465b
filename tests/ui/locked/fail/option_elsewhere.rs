use coord::locked;

#[locked("order:<id>", timeout = "3s")]
async fn timeout(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[locked(key = "order:<id>", ttl = "3s")]
async fn named(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[locked("catalog", read, capacity = 3)]
async fn read(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

#[locked("catalog", write)]
async fn write(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
