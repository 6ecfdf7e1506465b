use coord::retry;

const POLICY: u8 = 3;

#[retry(policy = POLICY)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
