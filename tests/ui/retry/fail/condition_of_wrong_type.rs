use coord::retry;

fn is_transient(_: &u8) -> bool {
    true
}

#[retry(if = is_transient)]
async fn call(id: u64) -> Result<u64, coord::Error> {
    Ok(id)
}

fn main() {}
